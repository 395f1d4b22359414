"""What one training run is to do: `recipe.toml` in its run folder, the only thing that `tune.train` reads first."""

import json
import tomllib
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightschool.errors import InvalidInput
from nightschool.faults import describe_faults
from nightschool.files import write_atomic

RECIPE: Final = "recipe.toml"


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    method: Literal["sft"] = "sft"
    base_model: str = Field(min_length=1)
    """Hugging Face id or folder of the frozen base model."""
    dataset: str = Field(min_length=1)
    """Folder of a finished dataset."""
    epochs: float = Field(default=2, gt=0)
    """Passes over the training rows; fractions are allowed."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    """The update is multiplied by alpha / rank."""
    batch_size: int = Field(default=16, ge=1)
    """Rows per optimizer step."""
    micro_batch_size: int = Field(default=4, ge=1)
    """Most rows computed at once."""
    max_tokens: int = Field(default=512, ge=8)
    """Longest row; longer ones lose their oldest turns."""
    seed: int = 17
    checkpoint_steps: int = Field(default=5, ge=1)
    """Optimizer steps between two checkpoints: so many are lost at most by a kill."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.toml` into the run folder, which is made where it is missing."""
    # JSON's strings and numbers are TOML's; only DEL is not allowed bare there.
    values = {
        key: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        for key, value in recipe.model_dump().items()
    }
    write_atomic(folder / RECIPE, "".join(f"{key} = {value}\n" for key, value in values.items()))


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a run folder. Raises InvalidInput with every fault at once."""
    file = folder / RECIPE
    remedy = "Mend the recipe or write it anew."
    try:
        return Recipe.model_validate(tomllib.loads(file.read_text()))
    except FileNotFoundError as error:
        raise InvalidInput("is missing", subject=str(file), remedy="Give a run folder that holds one.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"is not TOML ({error})", subject=str(file), remedy=remedy) from error
    except ValidationError as error:
        origins = {".".join(map(str, fault["loc"])): RECIPE for fault in error.errors()}
        raise InvalidInput(describe_faults(error, origins, model=Recipe), subject=str(file), remedy=remedy) from error
