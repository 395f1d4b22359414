"""Put all that an evaluation asks to every contestant, and to base how odd it finds some of their answers.

One contestant after the other: mixed in one batch, each would read its own weights at every step. Its rows and its
suites at once: the last long answers of either would leave the engine idle. Does not know what comes of it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from eval.answers import Answer, Label, answer_suite
from eval.exam import Exam, ExamFacts
from eval.oddity import find_oddities
from eval.shown import GuardOrder, Shown, as_said, show_answers
from eval.suite.case import SuiteResult
from eval.suite.every import ask_suites, read_suites
from eval.suite.registry import SuiteOrder
from eval.suite.results import SuitesFile
from eval.suites import SuiteRow
from eval.verdict import Question
from eval.vetoes.find import Examiner, learn_examiner
from eval.vote_scores import VoteScore
from eval.votes import HeldVotes, score_votes, vote_scores
from nightschool.engine import Engine

logger = logging.getLogger(__name__)

_A = TypeVar("_A")
_B = TypeVar("_B")
Answers = Mapping[Label, Mapping[str, Answer]]
"""By contestant, then by row id."""
OnStep = Callable[[float, str], None]
"""Told after each row: share done 0..1, and what in words."""


@dataclass(frozen=True, slots=True)
class Examined:
    rows: tuple[SuiteRow, ...]
    answers: Answers
    """Each contestant's holds at least `rows`."""
    skipped_rows: tuple[str, ...]
    facts: ExamFacts
    votes: Sequence[VoteScore]
    suites: SuitesFile | None
    """None where none were to be asked."""
    shown: Mapping[Label, Mapping[str, Shown]]
    """What people would be shown of the answers, by contestant and row id."""
    examiner: Examiner
    """Who looks for what must not be said."""
    work: Mapping[str, int]
    """How many answers were asked and how many read, how many rated texts were scored, and of how many answers base
    was asked how odd they are."""

    def as_read(self) -> dict[Label, dict[str, Answer]]:
        """The answers to `rows` with the texts that people would read."""
        return {
            label: {
                row.row_id: replace(self.answers[label][row.row_id], text=shown[row.row_id].text) for row in self.rows
            }
            for label, shown in self.shown.items()
        }


async def ask_everyone(
    engine: Engine,
    exam: Exam,
    *,
    question: Question,
    guard: GuardOrder | None,
    suites: SuiteOrder | None,
    cache: Path,
    on_step: OnStep,
    in_flight: int,
) -> Examined:
    """The cache goes by content hash, so a contestant with the weights of an earlier one asks nothing again. Of rows
    and of suites at most `in_flight` questions each are in the engine. Raises EvaluationFailed and what the engine
    raises."""
    rows: Sequence[SuiteRow] = exam.rows
    gathered, checked = await read_suites(suites), list[SuiteResult]()
    given: dict[Label, Mapping[str, Answer]] = {}
    skipped: list[str] = []
    work = {"asked": 0, "read": 0, "scored": 0, "doubted": 0}
    for turn, contestant in enumerate(question.contestants):

        def step(done: int, total: int, *, turn: int = turn, label: Label = contestant.label) -> None:
            on_step((turn + done / total) / len(question.contestants), f"{label}: {done} of {total} rows")

        (answers, too_long, asked), results = await _at_once(
            answer_suite(
                engine, rows, contestant=contestant, sampling=question.sampling, cache=cache, on_step=step,
                in_flight=in_flight,
            ),
            ask_suites(
                gathered.suites, engine, contestant, sampling=question.sampling, cache=cache, in_flight=in_flight
            ),
        )  # fmt: skip
        checked += results
        given[contestant.label] = {answer.row_id: answer for answer in answers}
        skipped += too_long
        work["asked"] += asked
        work["read"] += len(rows) - asked
        logger.info("contestant=%s asked=%d read=%d", contestant.label, asked, len(rows) - asked)
        rows = [row for row in rows if row.row_id not in too_long]
    votes = await _ask_for_votes(engine, exam.votes, question=question, cache=cache, work=work, in_flight=in_flight)
    if skipped:
        logger.warning("rows=%d exceed the engine's context and were left out of the evaluation", len(skipped))
    shown: dict[Label, Mapping[str, Shown]] = {}
    for contestant in question.contestants:
        if guard is None:
            shown[contestant.label] = {row_id: as_said(answer) for row_id, answer in given[contestant.label].items()}
        else:
            shown[contestant.label] = await show_answers(
                engine, rows, given[contestant.label], order=guard, contestant=contestant, sampling=question.sampling,
                cache=cache, in_flight=in_flight,
            )  # fmt: skip
    examiner = await asyncio.to_thread(learn_examiner, rows, base=given["base"])
    weighed = await _ask_base(engine, rows, given, examiner=examiner, cache=cache, work=work, in_flight=in_flight)
    beside = SuitesFile(results=tuple(checked), problems=gathered.problems) if suites else None
    return Examined(tuple(rows), weighed, tuple(sorted(skipped)), exam.facts, votes, beside, shown, examiner, work)


async def _at_once(one: Coroutine[None, None, _A], other: Coroutine[None, None, _B]) -> tuple[_A, _B]:
    """Both results; the first failure ends the other and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(one), group.create_task(other)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    return first.result(), second.result()


async def _ask_for_votes(
    engine: Engine, held: HeldVotes, *, question: Question, cache: Path, work: dict[str, int], in_flight: int
) -> list[VoteScore]:
    """What everybody finds of what people rated; texts beyond the context are left out for all."""
    heard = {}
    for contestant in question.contestants:
        heard[contestant.label] = await score_votes(
            engine, held, contestant=contestant, cache=cache, in_flight=in_flight
        )
        asked = heard[contestant.label].asked
        work["scored"] += asked
        logger.info("contestant=%s votes_asked=%d read=%d", contestant.label, asked, len(held.texts) - asked)
    left = held.without(frozenset().union(*(found.too_long for found in heard.values())))
    return [
        score for contestant in question.contestants
        for score in vote_scores(left, heard[contestant.label].nats, contestant=contestant)
    ]  # fmt: skip


async def _ask_base(
    engine: Engine,
    rows: Sequence[SuiteRow],
    answers: Answers,
    *,
    examiner: Examiner,
    cache: Path,
    work: dict[str, int],
    in_flight: int,
) -> Answers:
    """The same answers, with what base finds of those whose fault hangs on it."""
    known = {row.row_id: row for row in rows}
    doubtful = await asyncio.to_thread(
        lambda: [(label, row_id) for label, own in answers.items() for row_id in examiner.find_doubtful(own)]
    )
    found, asked = await find_oddities(
        engine, [(known[row_id], answers[label][row_id].text) for label, row_id in doubtful], cache=cache,
        in_flight=in_flight,
    )  # fmt: skip
    work["doubted"] = asked
    nats = dict(zip(doubtful, found, strict=True))
    return {
        label: {
            row_id: replace(answer, answer_nll_base=nats[label, row_id]) if (label, row_id) in nats else answer
            for row_id, answer in own.items()
        }
        for label, own in answers.items()
    }
