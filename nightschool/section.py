"""What every section of a settings file keeps to, so that a wrong type is told when the file is read and not at night.

Used for `nightschool.toml` and the bots' files. Keys are those of the class, numbers are finite, `true` is no number,
and no text holds a character that is not seen. Does not know which sections there are.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from nightschool.errors import InvalidSettings
from nightschool.text import visible


def _folder(given: object) -> object:
    if not isinstance(given, str):
        return given
    if not given.strip():
        raise ValueError("is empty; name a folder or unset it")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ValueError("begins with a ~ that is nobody's home") from error


Folder = Annotated[Path, BeforeValidator(_folder)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _has_keys(cls, given: object) -> object:
        if isinstance(given, Mapping | cls):
            return given
        raise PydanticCustomError("no_section", "is a section with keys of its own; set those")

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            return value
        # Left to itself, pydantic reads `true` as 1.
        if kind is not bool and any(isinstance(part, bool) for part in (value if isinstance(value, list) else [value])):
            raise PydanticCustomError("no_boolean", "must not be true or false")
        return visible(value) if isinstance(value, str) else value


def read_toml(file: Path, *, remedy: str) -> dict[str, Any]:
    """What `file` holds. Raises InvalidSettings where it cannot be read or is not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(f"cannot be read ({error.strerror})", subject=str(file), remedy=remedy) from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # no TOML, no UTF-8, a number of 5,000 digits, a list in a list in ...
        raise InvalidSettings(f"is not TOML ({error})", subject=str(file), remedy=remedy) from error
