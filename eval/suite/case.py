"""A suite: questions whose answers a program can check, and what a contestant made of them.

Values only. Does not know where questions come from, nor who answers; a suite may be anybody's (docs/suites.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from eval.answers import Label
from eval.shown import GuardOrder
from nightschool.records import ChatMessage, Finish

Status = Literal["passed", "failed", "void", "measured"]
"""`void`: there is no answer that could be judged; `measured`: the case has no check, its answer is only measured."""
MAX_TOKENS: Final = 128


@dataclass(frozen=True, slots=True)
class Reply:
    """What a contestant said to one case."""

    text: str
    finish: Finish
    completion_tokens: int
    latency_s: float | None
    """From the question to the last word, beside everything else that was asked then; None of a reply that was kept."""
    logprob_sum: float = 0.0
    """Natural-log probability of the case's reference and its end of turn, where the suite scores it."""
    reference_tokens: int = 0
    """How many tokens that was; 0 where nothing was scored."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    """What is asked, for people: `says "30 days"`."""
    holds: Callable[[Reply], bool]


@dataclass(frozen=True, slots=True)
class SuiteCase:
    case_id: str
    """Unique in its suite, and the same from night to night."""
    messages: tuple[ChatMessage, ...]
    """What was said before the answer, the last word a person's."""
    checks: tuple[Check, ...] = ()
    """All must hold."""
    then: tuple[str, ...] = ()
    """What the person says after each answer of the contestant's own; looked at is the last answer."""
    reference: str | None = None
    """A good answer, where one is known."""
    label: str | None = None
    """The right one of the suite's labels."""
    kind: str = ""
    """What the case is about, by which results may be grouped: `sycophancy`."""
    note: str = ""
    """What is told beside each result: why the case has no check."""


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    cases: tuple[SuiteCase, ...]
    max_tokens: int = MAX_TOKENS
    """Longest answer, where the bot's own is not shorter; 0 asks for none and only scores the references."""
    labels: tuple[str, ...] = ()
    """Of a task whose answers are one of these."""
    guard: GuardOrder | None = None
    """By which single answers are looked at as people would be shown them; None: in the contestant's own words."""
    scores_references: bool = False
    """Whether contestants also say how likely they find the references: perplexity."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    case_id: str
    status: Status
    question: str
    """The person's last word."""
    text: str
    """The answer; empty where there is none."""
    failed_checks: tuple[str, ...] = ()
    note: str = ""
    """Why the case is void, or has no check."""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """One contestant's way through one suite. Of two contestants, compare the cases that neither has as void."""

    name: str
    contestant: Label
    cases: tuple[CaseResult, ...]
    """In the order of the suite, every case once."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Means over the suite by name, finite numbers only."""

    @property
    def passed(self) -> int:
        return self._count("passed")

    @property
    def failed(self) -> int:
        return self._count("failed")

    @property
    def void(self) -> int:
        return self._count("void")

    @property
    def total(self) -> int:
        """Cases that were judged."""
        return self.passed + self.failed

    def _count(self, status: Status) -> int:
        return sum(case.status == status for case in self.cases)
