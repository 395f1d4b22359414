"""What a trained reward model makes of an exam's answers, and how far it is to be believed: a fact of the verdict.

Does not know torch, nor how answers are scored. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from eval.answers import Label
from eval.win_rate import Rate, share_with_interval


@dataclass(frozen=True, slots=True)
class RewardFacts:
    """The candidate's answers beside its rival's, by the scores of a model that learnt from people's pairs."""

    problem: str = ""
    """Why there are no figures."""
    rival: Label = "base"
    wins: int = 0
    ties: int = 0
    losses: int = 0
    win_rate: float = 0.5
    """A tie is half a win."""
    low: float = 0.0
    high: float = 1.0
    """Each bound is wrong with the gate's alpha, over people."""
    left_out: int = 0
    """Rows with an answer that has no score, as one that is too long for the model."""
    held_out_pairs: int = 0
    held_out_right: int = 0
    """Of the pairs that people ranked and it never saw, those that it ranks as they did."""

    @property
    def agreement(self) -> Rate | None:
        """With its 95 % interval; None where no pair was held out."""
        return share_with_interval(self.held_out_right, self.held_out_pairs) if self.held_out_pairs else None

    def is_believed(self, *, least: float) -> bool:
        """Whether the gate may go by it: it was asked, and agrees with people surely enough."""
        return not self.problem and self.agreement is not None and self.agreement.low >= least

    @property
    def figures(self) -> dict[str, float]:
        if self.problem:
            return {}
        agreed = {"reward_agreement": self.agreement.value} if self.agreement else {}
        rate = {"reward_win_rate": self.win_rate, "reward_win_rate_low": self.low, "reward_win_rate_high": self.high}
        return rate | agreed

    def describe(self) -> str:
        """What it prefers."""
        return (
            f"of {self.wins + self.ties + self.losses} answers beside those of {self.rival} it prefers {self.wins} of "
            f"the candidate's, finds {self.losses} worse, and {self.ties} are ties: win rate {self.win_rate:.1%} "
            f"({self.low:.1%} to {self.high:.1%})"
        )

    def describe_agreement(self) -> str:
        if self.agreement is None:
            return "no held-out pair says how good it is"
        rate = self.agreement
        return (
            f"it ranks {rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}) of {self.held_out_pairs} held-out pairs "
            f"as people did"
        )

    def tell(self, *, least: float) -> Iterator[str]:
        """In sentences."""
        if self.problem:
            yield f"The reward model was not asked: {self.problem}."
            return
        yield f"By the reward model, {self.describe()}."
        decides = "the gate goes by it" if self.is_believed(least=least) else "it decides nothing"
        yield f"Of its own worth: {self.describe_agreement()}; {least:.0%} is asked of the lower end, so {decides}."
        if self.left_out:
            yield f"Left out, since an answer has no score, as where it is too long: {self.left_out} rows."
