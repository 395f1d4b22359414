"""Endpoints and figures that the pages name are there, and every figure is named."""

import re
from pathlib import Path

import httpx
from fastapi import FastAPI
from starlette.routing import Match

from nightschool import errors
from nightschool.errors import InvalidSettings, NightschoolError, TrainingFailed

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NAMED = re.compile(r"\b(GET|POST|DELETE) (/(?:v1|ops|healthz|readyz|metrics)[^\s`|),:?]*)")
OPEN = re.compile(r"(?<=/)(?:[A-Z]+|\{\w+\})(?=/|$)")
"""A part of a path that is filled in."""


def is_served(app: FastAPI, method: str, path: str) -> bool:
    scope = {"type": "http", "method": method, "path": OPEN.sub("some-id", path), "root_path": ""}
    return any(route.matches(scope)[0] is Match.FULL and route.name != "refuse" for route in app.routes)  # type: ignore[attr-defined]


def test_every_endpoint_that_the_pages_name_is_served(app: FastAPI) -> None:
    named = {named for page in PAGES for named in NAMED.findall(page.read_text(encoding="utf-8"))}
    assert sorted(one for one in named if not is_served(app, *one)) == []
    assert len(named) > 40
    assert not is_served(app, "GET", "/v1/nowhere")


def test_the_api_page_names_every_code_of_an_error() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Errors")[2]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NightschoolError)]
    # Of a start and of a night, which nobody asks for by HTTP.
    told = {kind.code for kind in kinds} - {InvalidSettings.code, TrainingFailed.code}
    assert sorted(code for code in told if f"`{code}`" not in page) == []


async def test_the_api_page_names_every_figure(anonymous: httpx.AsyncClient) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    [told] = re.findall(r"^- `/metrics`: (.*)$", page, re.MULTILINE)
    named = set(re.findall(r"`(nightschool_\w+)`", told)) | {
        f"nightschool_training{one}" for one in re.findall(r"`(_\w+)`", told)
    }
    shown = (await anonymous.get("/metrics")).text
    families = set(re.findall(r"^# TYPE (\w+) (?:counter|histogram|gauge)$", shown, re.MULTILINE))
    assert named == {name for name in families if not name.endswith("_created")}
