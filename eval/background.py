"""What an evaluation's page says beside its findings: which night it was, what was learnt, what it cost, and how the
nights before went. Filled in by whoever knows (`deploy`); values only.
"""

from pydantic import BaseModel, ConfigDict

from eval.findings import Measured
from nightschool.records import Outcome


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fact(_Part):
    term: str
    value: str


class NightPoint(_Part):
    """One night's exam among the others."""

    night: str
    """Its date, or what else it is called by."""
    candidate: str
    outcome: Outcome
    gain: Measured
    """Over whom it had to beat."""
    scores: dict[str, float] = {}
    """Token F1 of base, production and candidate: the figure that each night has, whatever its primary metric."""


class Background(_Part):
    title: str = "An evaluation"
    asides: tuple[str, ...] = ()
    """Sentences below the title: what became of the verdict."""
    learnt: tuple[Fact, ...] = ()
    """What the candidate was trained on."""
    costs: tuple[Fact, ...] = ()
    """In time."""
    nights: tuple[NightPoint, ...] = ()
    """The oldest first, this one last."""
