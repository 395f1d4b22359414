"""`suites.json` of an evaluation's folder: what every contestant made of every suite, and what could not be asked."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.answers import Label
from eval.suite.case import SuiteResult
from nightschool.errors import InvalidInput
from nightschool.files import write_atomic

SUITES: Final = "suites.json"


class SuitesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    results: tuple[SuiteResult, ...] = ()
    problems: tuple[str, ...] = ()
    """Suites that could not be read or asked, in a sentence each."""

    def find(self, name: str, contestant: Label) -> SuiteResult | None:
        return next((r for r in self.results if (r.name, r.contestant) == (name, contestant)), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(result.name for result in self.results))


def write_suites(folder: Path, suites: SuitesFile) -> None:
    write_atomic(folder / SUITES, suites.model_dump_json(indent=2) + "\n")


def read_suites(folder: Path) -> SuitesFile:
    """Without any result where the evaluation asked no suite. Raises InvalidInput."""
    file = folder / SUITES
    if not file.exists():
        return SuitesFile()
    try:
        return SuitesFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidInput(
            f"holds no results of suites ({error.errors(include_url=False)[0]['msg']})",
            subject=str(file),
            remedy="Examine again.",
        ) from error
