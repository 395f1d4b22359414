"""Write a dataset's card: what it holds, what was left out and why, in words that an operator reads.

Holds nothing that a person wrote and no time of day, so equal data give equal cards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tune.bounds import Bounds
from tune.passages import PASSAGE_WORDS


@dataclass(frozen=True, slots=True)
class Counts:
    train_rows: int
    train_conversations: int
    train_answers: int
    held_out_rows: int
    held_out_conversations: int
    held_out_answers: int
    pairs: int
    held_out_pairs: int
    votes_up: int
    votes_down: int
    held_out_votes: int
    conversations: int
    """Those that are split."""
    largest_group: int
    """Conversations in the largest group of near-duplicates."""
    left_out: Mapping[str, int]
    """By reason."""
    most_of_one_person: tuple[int, int]
    """Rows of training and of examination."""
    influence: Mapping[str, float]
    """By kind of training rows: the largest share of weight that one person, and one address, has."""
    questions: Mapping[str, int] = field(default_factory=dict)
    """Without a good answer, by what they lack; to be answered by a machine."""


@dataclass(frozen=True, slots=True)
class Settings:
    """By what a dataset was made, beside its bounds; the manifest says them too."""

    held_out_share: float
    half_life_days: float
    topic_ratio: float
    suite_turns: int
    """What `recipe.suites` ask."""
    seed: int


def write_card(counts: Counts, bounds: Bounds, settings: Settings) -> str:
    """The card as Markdown."""
    reasons = [f"| {reason} | {count} |" for reason, count in sorted(counts.left_out.items())] or ["| nothing | 0 |"]
    lines = [
        "# Dataset",
        "",
        "| part | rows | conversations | answers learnt or examined |",
        "| --- | --- | --- | --- |",
        f"| training | {counts.train_rows} | {counts.train_conversations} | {counts.train_answers} |",
        f"| held out | {counts.held_out_rows} | {counts.held_out_conversations} | {counts.held_out_answers} |",
        "",
        f"Preference pairs: {counts.pairs} to train on, {counts.held_out_pairs} held out. "
        f"Votes: {counts.votes_up} up and {counts.votes_down} down to train on, {counts.held_out_votes} held out.",
        "",
        *_questions(counts.questions),
        f"One person's share: at most {bounds.train_share:.0%} of the training rows (the largest has "
        f"{counts.most_of_one_person[0]}), {bounds.exam_share:.0%} of the exam rows (the largest has "
        f"{counts.most_of_one_person[1]}), {bounds.votes_a_day} votes a day; imports and API keys are no persons. "
        + _agreement(bounds.agreeing_persons),
        "",
        _influence(counts.influence, bounds),
        "",
        _aging(settings.half_life_days) + _balance(settings.topic_ratio),
        "",
        describe_repetition(largest_group=counts.largest_group, conversations=counts.conversations),
        "",
        "## Left out",
        "",
        "| reason | count |",
        "| --- | --- |",
        *reasons,
        "",
        "## How it was made",
        "",
        f"Share held out where an import did not say: {settings.held_out_share:g}; seed {settings.seed}. A person's "
        "conversations stand on one side, and so do near-duplicates; where these two rules disagree the conversation "
        "is on neither. What an import marked as held out is never trained on, nor is a near-duplicate of it. No "
        f"training row holds a passage of {PASSAGE_WORDS} words, or a whole turn, of what the exam asks or of the "
        f"{settings.suite_turns} turns of further suites, but for what the house always says. Each row's sources are "
        "in `items.parquet`.",
        "",
    ]
    return "\n".join(lines)


def _questions(by_lack: Mapping[str, int]) -> list[str]:
    if not by_lack:
        return []
    told = ", ".join(f"{count} {lack}" for lack, count in by_lack.items())
    return [f"Questions without a good answer, for methods that make one: {sum(by_lack.values())} ({told}).", ""]


def describe_repetition(*, largest_group: int, conversations: int) -> str:
    """How much of the data says the same: a large group stands on one side, and the other one hears nothing of it."""
    if largest_group < 2:
        return f"No two of the {conversations} conversations are near-duplicates."
    return (
        f"The largest group of near-duplicates holds {largest_group} of {conversations} conversations "
        f"({largest_group / conversations:.0%})."
    )


def _influence(of: Mapping[str, float], bounds: Bounds) -> str:
    kinds = (("sft", "rows to imitate"), ("pairs", "pairs"), ("votes", "votes"))
    told = ", ".join(
        f"{of[f'{kind}.person']:.0%} of the {words} ({of[f'{kind}.address']:.0%} from one address)"
        for kind, words in kinds
    )
    return (
        f"Largest influence of one person, by weight: {told}. Allowed are {bounds.train_share:.0%}"
        f" of the training rows, of an address {bounds.address_train_share:.0%}, and five rows in any case."
    )


def _aging(half_life_days: float) -> str:
    if half_life_days == 0:
        return "Votes count alike whatever their age."
    return (
        f"A vote counts half as much after {half_life_days:g} days, what an operator ruled or brought always in full."
    )


def _balance(topic_ratio: float) -> str:
    if topic_ratio == 1:
        return ""
    return f" A row of a rare topic weighs up to {topic_ratio:g} times as much as one of a frequent topic."


def _agreement(persons: int) -> str:
    if persons < 2:
        return "What people suggest is learnt once an operator has taken it up."
    return f"What {persons} persons suggest alike is learnt without an operator, and never examined."
