"""`judge.json` of an evaluation's folder: what a larger model thinks of the candidate's answers, in figures and words.

No check of the gate reads it. Does not know how a judge is asked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.answers import Label
from nightschool.errors import InvalidInput
from nightschool.files import write_atomic

JUDGE: Final = "judge.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(_Part):
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


class Wins(_Part):
    """The candidate's answers beside its rival's."""

    rival: Label
    wins: int
    ties: int
    losses: int
    win_rate: float
    """A tie is half a win."""
    at_equal_length: Share


class Agreement(_Part):
    """On held-out pairs that people ranked; a tie is no agreement."""

    agreed: int
    pairs: int
    share: Share


class JudgeFile(_Part):
    schema_version: Literal[1] = 1
    model: str
    url: str = ""
    prompt_version: int = 1
    problem: str = ""
    """Why it could not be asked; there are no figures then."""
    wins: Wins | None = None
    agreement: Agreement | None = None
    unread: int = 0
    """Comparisons to which it replied something else than a verdict."""

    def tell(self) -> Iterator[str]:
        """In sentences."""
        if self.problem:
            yield f"The judge could not be asked: {self.problem}."
            return
        yield f"The judge is {self.model}; the gate does not go by it."
        if won := self.wins:
            yield (
                f"Of {won.wins + won.ties + won.losses} answers beside those of {won.rival} it prefers {won.wins}, "
                f"{won.losses} it finds worse, {won.ties} are ties: win rate {won.win_rate:.1%}, at equal length "
                f"{won.at_equal_length}."
            )
        if found := self.agreement:
            yield (
                f"On {found.pairs} held-out pairs that people ranked it agrees with them on {found.agreed}: "
                f"{found.share}."
            )
        else:
            yield "No held-out pair that people ranked says how far it agrees with them."
        if self.unread:
            yield f"Left out, since it gave no verdict: {self.unread} comparisons."


def write_judge(folder: Path, judge: JudgeFile) -> None:
    write_atomic(folder / JUDGE, judge.model_dump_json(indent=2) + "\n")


def read_judge(folder: Path) -> JudgeFile | None:
    """None where the evaluation asked none. Raises InvalidInput."""
    file = folder / JUDGE
    if not file.exists():
        return None
    try:
        return JudgeFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidInput(
            f"holds nothing of a judge ({error.errors(include_url=False)[0]['msg']})",
            subject=str(file),
            remedy="Examine again.",
        ) from error
