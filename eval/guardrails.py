"""The gate's check on suites: what others here pass, the candidate must not have lost.

In: what every contestant made of every suite. Out: one check for all of them together, or one for each fall. Does not
know who wrote a suite, nor how its cases were judged. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from eval.answers import Label
from eval.checks import Check, several
from eval.paired import holm, lowest_difference, midp_mcnemar
from eval.rules import GateRules
from eval.suite.case import SuiteResult

OPPONENTS: Final[Mapping[Label, str]] = {
    "production": "production",
    "base": "the base model",
    "anchor": "the last version that a person promoted",
}


class SuiteGain(NamedTuple):
    """The candidate beside one opponent on the cases of a suite that were judged for both."""

    suite: str
    opponent: str
    cases: int
    passed: int
    """By the candidate."""
    better: int
    """Cases that the candidate alone passes."""
    worse: int
    """Cases that the opponent alone passes."""
    has_fallen: bool
    """Shown, of all suites and opponents together, and by more than is borne."""

    @property
    def mean(self) -> float:
        """Change of the share that passes."""
        return (self.better - self.worse) / self.cases


def suite_gains(results: Iterable[SuiteResult], rules: GateRules) -> tuple[SuiteGain, ...]:
    """The lowest gain first."""
    judged = {(result.name, result.contestant): _passed(result) for result in results}
    compared = tuple(_compare(judged))
    # Each pair is one more chance of a false alarm, so all together share one alpha.
    shown = holm([midp_mcnemar(gain.better, gain.worse) for gain in compared], alpha=rules.suite_alpha)
    found = [
        gain._replace(has_fallen=is_shown and gain.mean < -rules.suite_margin)
        for gain, is_shown in zip(compared, shown, strict=True)
    ]
    return tuple(sorted(found, key=lambda gain: (gain.mean, gain.suite, gain.opponent)))


def suite_checks(results: Sequence[SuiteResult], rules: GateRules) -> Iterator[Check]:
    """Nothing where no suite was asked of the candidate and another one."""
    gains = suite_gains(results, rules)
    fallen = [gain for gain in gains if gain.has_fallen]
    for gain in fallen:
        yield Check(
            False,
            f"{_describe(gain)}, worse on {gain.worse} and better on {gain.better}: shown to have lost more than "
            f"{rules.suite_margin:g} of what the suite asks (mid-p McNemar; {rules.suite_alpha:g} for all "
            f"{several(len(gains), 'comparison')} together).",
        )
    if gains and not fallen:
        lowest = gains[0]
        low = lowest_difference(lowest.better, lowest.worse, pairs=lowest.cases, alpha=rules.suite_alpha)
        yield Check(
            True,
            f"in no suite was the candidate shown to fall by more than {rules.suite_margin:g} "
            f"({several(len(gains), 'comparison')}); lowest: {_describe(lowest)}, and by itself that leaves no fall "
            f"greater than {max(-low, 0):.2f} (one-sided {rules.suite_alpha:g}).",
        )


def suite_figures(results: Sequence[SuiteResult]) -> dict[str, float]:
    """Share of the judged cases that each contestant passes, and its perplexity where a suite scores references."""
    passed = {f"{r.contestant}_{r.name}_passed": r.passed / r.total for r in results if r.total}
    scored = [r for r in results if "perplexity" in r.figures]
    return passed | {f"{r.contestant}_{r.name}_perplexity": r.figures["perplexity"] for r in scored}


def has_only_forgotten(figures: Mapping[str, float]) -> bool:
    """Whether a verdict, by its figures, found the candidate better and good, but for what it has lost of suites."""
    return 0 < figures.get("failed_suites", 0) == figures.get("failed_checks")


def _passed(result: SuiteResult) -> dict[str, bool]:
    return {case.case_id: case.status == "passed" for case in result.cases if case.status in {"passed", "failed"}}


def _compare(judged: Mapping[tuple[str, Label], Mapping[str, bool]]) -> Iterator[SuiteGain]:
    for (suite, label), own in judged.items():
        if label != "candidate":
            continue
        for opponent, name in OPPONENTS.items():
            other = judged.get((suite, opponent), {})
            both = own.keys() & other.keys()
            if both:
                better = sum(own[case] and not other[case] for case in both)
                worse = sum(other[case] and not own[case] for case in both)
                passed = sum(own[case] for case in both)
                yield SuiteGain(suite, name, len(both), passed, better, worse, has_fallen=False)


def _describe(gain: SuiteGain) -> str:
    others = gain.passed - gain.better + gain.worse
    return (
        f"of {several(gain.cases, 'case')} of the suite {gain.suite} the candidate passes {gain.passed} where "
        f"{gain.opponent} passes {others}"
    )
