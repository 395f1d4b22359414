"""Find the adapter that a run goes on from, where its recipe names one that fits; what does not fit is left, in words.

Imports no torch. Does not know who chose the adapter.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from nightschool.errors import InvalidInput
from nightschool.files import Manifest, verify
from tune.recipe import Recipe

CONFIG: Final = "adapter_config.json"


class Start(NamedTuple):
    """Or whoever answers questions."""

    folder: Path | None
    """None: from the base model."""
    content_hash: str
    """Of the folder; empty for the base model."""
    remark: str
    """Where it is otherwise than the recipe ordered, why."""


def find_start(recipe: Recipe) -> Start:
    """What the recipe orders, or the base model where that cannot be gone on from."""
    if not recipe.start:
        return Start(None, "", "")
    folder = Path(recipe.start)
    manifest = _read_adapter(folder)
    if isinstance(manifest, str):
        return _from_base(manifest)
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    found = {
        "base model": (manifest.about.get("base_model"), Path(recipe.base_model).name),
        "rank": (config["r"], recipe.rank),
        "alpha": (config["lora_alpha"], recipe.alpha),
        "layers_share": (manifest.about.get("layers_share", 1), recipe.layers_share),
    }
    other = [f"{name} {is_} instead of {wanted}" for name, (is_, wanted) in found.items() if is_ != wanted]
    if other:
        return _from_base(f"{folder.name} has {', '.join(other)}")
    return Start(folder, manifest.content_hash, "")


def find_speaker(recipe: Recipe) -> Start:
    """Who answers questions: the adapter that the recipe names, or the base model where there is none that fits."""
    if not recipe.speaker:
        return Start(None, "", "")
    folder = Path(recipe.speaker)
    manifest = _read_adapter(folder)
    if isinstance(manifest, str):
        return Start(None, "", f"the base model answered, since {manifest}")
    base = Path(recipe.base_model).name
    if manifest.about.get("base_model") != base:
        return Start(None, "", f"the base model answered, since {folder.name} is no adapter on {base}")
    return Start(folder, manifest.content_hash, "")


def _read_adapter(folder: Path) -> Manifest | str:
    """Or why it is none, in words."""
    try:
        manifest = verify(folder)
    except InvalidInput as error:
        return f"{folder.name} {error.problem}"
    return manifest if manifest.kind == "adapter" else f"{folder.name} is no adapter"


def _from_base(why: str) -> Start:
    return Start(None, "", f"begun from the base model, since {why}")
