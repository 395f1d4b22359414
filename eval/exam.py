"""Tonight's exam: the rows that are asked, and what else a verdict must say about them.

In: a finished dataset and which conversations production was trained on. Does not know who is asked.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from eval.core import keep_core
from eval.reward_facts import RewardFacts
from eval.rules import GateRules, Primary
from eval.suites import HELD_OUT, SuiteRow, choose_rows, count_witnesses, read_held_out
from eval.topics import name_topics
from eval.votes import HeldVotes, choose_votes, read_held_votes
from nightschool.embedding import load_embedder
from nightschool.tables import read_rows

TRAIN: Final = "sft_train.parquet"


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """What scores cannot tell; stands in verdict.json, so that a decision can be rebuilt."""

    production_overlap: int = 0
    """Conversations of the exam that production was trained on, or a near-duplicate of which it was."""
    liked_rows: int = 0
    """Held-out answers that were only liked. They are no references: production wrote them."""
    votes_can_judge: bool = False
    """Whether enough people rated answers on either side for `vote_margin`."""
    primary_why: str = ""
    """Why this is the primary metric, where the data chose it."""
    reward: RewardFacts | None = None
    """What a trained reward model found, where the bot has one asked."""


class Exam(NamedTuple):
    rows: tuple[SuiteRow, ...]
    facts: ExamFacts
    votes: HeldVotes = HeldVotes()
    primary: Primary = "token_f1"
    """Settled: never `auto`."""


def read_exam(
    dataset: Path,
    *,
    rules: GateRules,
    rotation: str,
    production_trained: frozenset[str],
    core: Path | None = None,
) -> Exam:
    """`production_trained` names the conversations of production's own dataset. `core` is the file in which the rows
    that never change are frozen, from the first exam on that has enough witnesses. Raises InvalidInput."""
    max_rows, least = rules.max_rows, rules.min_conversations
    held_out = read_held_out(dataset)
    frozen = keep_core(core, held_out.rows, max_rows=max_rows, least=least) if core else None
    chosen = choose_rows(held_out.rows, max_rows=max_rows, rotation=rotation, core=frozen)
    rows = name_topics(chosen, lambda: load_embedder().embed)
    asked = {row.conversation_id for row in rows}
    known = production_trained | _near_duplicates(dataset, production_trained)
    votes = choose_votes(read_held_votes(dataset), max_rows=max_rows, rotation=rotation)
    can_judge = votes.can_judge(asked=count_witnesses(rows), least=least)
    primary, why = choose_primary(rules, witnesses=count_witnesses(rows), votes_can_judge=can_judge)
    return Exam(rows, ExamFacts(len(asked & known), held_out.liked_rows, can_judge, why), votes, primary)


def find_row_ids(dataset: Path) -> frozenset[str]:
    """Of everything that an exam of this dataset could ask. Raises InvalidInput."""
    return frozenset(row.row_id for row in (*read_held_out(dataset).rows, *read_held_votes(dataset).texts))


class Choice(NamedTuple):
    primary: Primary
    why: str
    """Empty where the bot's file named it."""


def choose_primary(rules: GateRules, *, witnesses: int, votes_can_judge: bool) -> Choice:
    """What the candidate must be better on, by what data there is and before anybody is asked."""
    if rules.primary != "auto":
        return Choice(rules.primary, "")
    few = f"{witnesses} people or conversations have an answer that a person wrote or approved"
    if witnesses < rules.min_conversations and votes_can_judge:
        return Choice("vote_margin", f"the primary metric is vote margin, since only {few}, and enough people rated.")
    enough = "enough" if witnesses >= rules.min_conversations else "too few, and votes are too few as well"
    return Choice("token_f1", f"the primary metric is token F1, since {few}, which is {enough}.")


class _GroupedRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation_id: str
    group: str


def _near_duplicates(dataset: Path, conversations: frozenset[str]) -> frozenset[str]:
    """Every conversation of a group that holds one of `conversations`."""
    if not conversations:
        return frozenset()
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name in (TRAIN, HELD_OUT):
        for row in read_rows(dataset / name, _GroupedRow, row="a row of a dataset"):
            groups[row.group].add(row.conversation_id)
    return frozenset().union(*(group for group in groups.values() if group & conversations))
