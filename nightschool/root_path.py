"""The path of a site below which a proxy shows the server, as the settings name it. Does not know what is done with it
(`serve.sub_path`)."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

SHAPE: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
OWN: Final = (
    *("assets", "config", "console", "deeds", "favicon.ico", "gradio_api", "healthz", "manifest.json", "metrics"),
    *("my-data.json", "ops", "readyz", "robots.txt", "static", "svelte", "theme.css", "v1", "widget", "widget.js"),
)
"""With what the server's own addresses begin. A proxy may take its path off, and what is left must not look like it."""


def _check(text: str) -> str:
    path = text.rstrip("/")
    if not path:
        return path
    if not SHAPE.fullmatch(path):
        raise ValueError("must be a path such as /support")
    if path.split("/")[1] in OWN:
        raise ValueError(f"{path} begins as an address of the server's own does; take another path")
    return path


RootPath = Annotated[str, AfterValidator(_check)]
"""Empty, or with a slash before each part and none at the end."""
