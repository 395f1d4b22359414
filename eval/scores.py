"""The table of scores: one line for each contestant and row, in memory and as Parquet.

Everything the gate needs and nothing that a person wrote, so a verdict can be decided again from this file alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eval.answers import Answer, Label
from eval.facts import count_facts
from eval.metrics.perplexity import mean_nll
from eval.metrics.text import rouge_l, token_f1
from eval.shown import Shown, as_said
from eval.suites import SuiteRow
from eval.vetoes.figures import gives_figures
from eval.vetoes.scene import scene_of
from nightschool.errors import EvaluationFailed, InvalidInput, NotFound
from nightschool.knowledge import grounds_in
from nightschool.records import Finish
from nightschool.wording import repetition, words

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_SCHEMA: Final = pa.schema(
    [
        *(
            pa.field(name, kind, nullable=False)
            for name, kind in (
                ("contestant", pa.string()),
                ("row_id", pa.string()),
                ("conversation_id", pa.string()),
                ("token_f1", pa.float64()),
                ("rouge_l", pa.float64()),
                ("repetition", pa.float64()),
                ("logprob_sum", pa.float64()),
                ("reference_tokens", pa.int64()),
                ("answer_words", pa.int64()),
                ("reference_words", pa.int64()),
                ("is_empty", pa.bool_()),
                ("ends_by_itself", pa.bool_()),
                ("answer_nll_base", pa.float64()),
                ("gives_figures", pa.bool_()),
                ("reference_facts", pa.int64()),
                ("facts_recalled", pa.int64()),
                ("facts_stated", pa.int64()),
                ("facts_invented", pa.int64()),
                ("is_core", pa.bool_()),
                ("is_fresh", pa.bool_()),
                ("faults", pa.list_(pa.field("item", pa.string(), nullable=False))),
                ("own_token_f1", pa.float64()),
                ("is_held", pa.bool_()),
            )
        ),
        pa.field("topic", pa.string()),
        pa.field("person", pa.string()),
    ]
)
_FACTS: Final = frozenset({"reference_facts", "facts_recalled", "facts_stated", "facts_invented"})
_OF_THE_GUARD: Final = frozenset({"own_token_f1", "is_held"})
_WITHOUT_GUARD: Final = pa.schema([field for field in _SCHEMA if field.name not in _OF_THE_GUARD])
_WITHOUT_FACTS: Final = pa.schema([field for field in _WITHOUT_GUARD if field.name not in _FACTS])
"""Of evaluations before 0.2, which counted none."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    contestant: Label
    row_id: str
    conversation_id: str
    token_f1: float
    """Of what people would be shown, as ROUGE-L and the facts recalled; all else is of the contestant's own words."""
    rouge_l: float
    repetition: float
    logprob_sum: float
    """Natural-log probability of the reference and its end of turn."""
    reference_tokens: int
    answer_words: int
    reference_words: int
    is_empty: bool
    """The answer holds nothing but white space."""
    ends_by_itself: bool = True
    """Not cut off at the longest length allowed."""
    answer_nll_base: float = math.nan
    """Nats per token of the answer itself under the base model; nan where there is none."""
    faults: tuple[str, ...] = ()
    """What is wrong with the answer, by name."""
    gives_figures: bool = False
    """The answer states a number that nobody had said, and so had the occasion to state a wrong one."""
    reference_facts: int = 0
    facts_recalled: int = 0
    """Of the reference's, those that the answer states."""
    facts_stated: int = 0
    facts_invented: int = 0
    """Of those stated, the ones that stand nowhere (`eval.facts`)."""
    topic: str | None = None
    person: str | None = None
    """A hash of who spoke, where that is known."""
    is_core: bool = False
    """One of the rows that never change, so that nights can be compared over months."""
    is_fresh: bool = False
    """Said in the last days."""
    own_token_f1: float = math.nan
    """Of the contestant's own words; nan in evaluations that knew no guard."""
    is_held: bool = False
    """The bot's guard held some of it back (`eval.shown`)."""


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """One contestant's scores, each column (n,), rows sorted by conversation and id."""

    row_ids: tuple[str, ...]
    conversation_ids: tuple[str, ...]
    witness: IntArray
    """Labels 0..w-1 of who spoke; where that is not known, each conversation is a witness."""
    token_f1: FloatArray
    rouge_l: FloatArray
    repetition: FloatArray
    logprob_sum: FloatArray
    reference_tokens: FloatArray
    nll: FloatArray
    """Mean negative log-likelihood per token, in nats."""
    answer_words: FloatArray
    reference_words: FloatArray
    is_empty: FloatArray
    ends_by_itself: FloatArray
    answer_nll_base: FloatArray
    gives_figures: FloatArray
    reference_facts: FloatArray
    facts_recalled: FloatArray
    facts_stated: FloatArray
    facts_invented: FloatArray
    is_core: BoolArray
    is_fresh: BoolArray
    own_token_f1: FloatArray
    is_held: BoolArray
    faults: tuple[tuple[str, ...], ...]
    topics: tuple[str | None, ...]


def score_answer(
    row: SuiteRow, answer: Answer, *, label: Label, faults: tuple[str, ...] = (), shown: Shown | None = None
) -> ScoreRow:
    """`shown`: what people would be shown of it; None where that is the answer."""
    shown = shown or as_said(answer)
    is_whole = shown.text == answer.text
    # What was answered before is a person's word here, while a bot's own is no ground for its next one.
    answered = (said["content"] for said in row.messages if said["role"] == "assistant")
    grounds = [*grounds_in(row.messages), *answered]
    facts = count_facts(answer.text, reference=row.reference, grounds=grounds)
    read = facts if is_whole else count_facts(shown.text, reference=row.reference, grounds=grounds)
    own_f1 = token_f1(answer.text, reference=row.reference)
    return ScoreRow(
        contestant=label,
        row_id=row.row_id,
        conversation_id=row.conversation_id,
        token_f1=own_f1 if is_whole else token_f1(shown.text, reference=row.reference),
        rouge_l=rouge_l(shown.text, reference=row.reference),
        repetition=repetition(answer.text),
        logprob_sum=answer.logprob_sum,
        reference_tokens=answer.reference_tokens,
        answer_words=len(words(answer.text)),
        reference_words=len(words(row.reference)),
        is_empty=not answer.text.strip(),
        ends_by_itself=answer.finish is Finish.STOP,
        answer_nll_base=math.nan if answer.answer_nll_base is None else answer.answer_nll_base,
        faults=faults,
        gives_figures=gives_figures(answer.text, scene_of(row)),
        reference_facts=facts.reference,
        facts_recalled=read.recalled,
        facts_stated=facts.stated,
        facts_invented=facts.invented,
        topic=row.topic,
        person=row.person,
        is_core=row.is_core,
        is_fresh=row.is_fresh,
        own_token_f1=own_f1,
        is_held=shown.is_held,
    )


def pair_columns(scores: Iterable[ScoreRow]) -> Mapping[Label, ScoreColumns]:
    """Each contestant's columns, all over the same rows. Raises EvaluationFailed where they are not paired."""
    groups: dict[Label, list[ScoreRow]] = {}
    for score in scores:
        groups.setdefault(score.contestant, []).append(score)
    columns = {label: _columns(group) for label, group in groups.items()}
    asked = {(c.row_ids, c.conversation_ids) for c in columns.values()}
    if len(asked) > 1 or any(len(set(c.row_ids)) < len(c.row_ids) for c in columns.values()):
        raise EvaluationFailed(
            "the contestants did not each answer the same rows once", subject="scores", remedy="Examine them again."
        )
    return columns


def write_scores(file: Path, scores: Sequence[ScoreRow]) -> None:
    pq.write_table(pa.Table.from_pylist([asdict(score) for score in scores], schema=_SCHEMA), file)


def read_scores(file: Path) -> tuple[ScoreRow, ...]:
    """The scores in `file`. Raises NotFound and InvalidInput."""
    if not file.exists():
        raise NotFound("does not exist", subject=str(file), remedy="Name the scores.parquet of an evaluation.")
    remedy = "Name the scores.parquet that an evaluation wrote, or examine again."
    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"cannot be read ({error})", subject=str(file), remedy=remedy) from error
    if not any(map(table.schema.equals, (_SCHEMA, _WITHOUT_GUARD, _WITHOUT_FACTS))):
        raise InvalidInput("does not hold the columns of scores", subject=str(file), remedy=remedy)
    return tuple(ScoreRow(**row | {"faults": tuple(row["faults"])}) for row in table.to_pylist())


def _columns(group: list[ScoreRow]) -> ScoreColumns:
    # Sums of floats depend on their order; sorted, the order in which rows came changes no bit of a verdict.
    rows = sorted(group, key=lambda score: (score.conversation_id, score.row_id))

    def column(values: Iterable[float]) -> FloatArray:
        return np.fromiter(values, np.float64, len(rows))

    logprob_sum = column(r.logprob_sum for r in rows)
    reference_tokens = column(r.reference_tokens for r in rows)
    conversation_ids = tuple(r.conversation_id for r in rows)
    return ScoreColumns(
        row_ids=tuple(r.row_id for r in rows),
        conversation_ids=conversation_ids,
        witness=np.unique([r.person or r.conversation_id for r in rows], return_inverse=True)[1].astype(np.int64),
        token_f1=column(r.token_f1 for r in rows),
        rouge_l=column(r.rouge_l for r in rows),
        repetition=column(r.repetition for r in rows),
        logprob_sum=logprob_sum,
        reference_tokens=reference_tokens,
        nll=mean_nll(logprob_sum, reference_tokens),
        answer_words=column(r.answer_words for r in rows),
        reference_words=column(r.reference_words for r in rows),
        is_empty=column(r.is_empty for r in rows),
        ends_by_itself=column(r.ends_by_itself for r in rows),
        answer_nll_base=column(r.answer_nll_base for r in rows),
        gives_figures=column(r.gives_figures for r in rows),
        reference_facts=column(r.reference_facts for r in rows),
        facts_recalled=column(r.facts_recalled for r in rows),
        facts_stated=column(r.facts_stated for r in rows),
        facts_invented=column(r.facts_invented for r in rows),
        is_core=np.array([r.is_core for r in rows]),
        is_fresh=np.array([r.is_fresh for r in rows]),
        own_token_f1=column(r.own_token_f1 for r in rows),
        is_held=np.array([r.is_held for r in rows]),
        faults=tuple(r.faults for r in rows),
        topics=tuple(r.topic for r in rows),
    )
