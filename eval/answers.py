"""Ask a contestant every row once: its answer, and how likely it finds the reference.

Answers are kept as they come (`eval.kept`), so an interrupted evaluation goes on where it was, and another night asks
only what nobody was asked before. Does not know how answers are judged or who is being compared with whom.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

from eval.kept import Kept, digest, kept_file
from eval.suites import SuiteRow
from nightschool.engine import ChatRequest, Engine
from nightschool.errors import EvaluationFailed, InvalidInput
from nightschool.records import Finish, Sampling, new_id

Label = Literal["base", "anchor", "production", "candidate"]
"""`anchor` is the last version that a person promoted, where it is neither base nor production."""
OnStep = Callable[[int, int], None]
"""Told after each row: rows done, rows in all."""
_T = TypeVar("_T")
COMPLETE: Final = frozenset({Finish.STOP, Finish.LENGTH})


@dataclass(frozen=True, slots=True)
class Contestant:
    label: Label
    model: str
    """The engine's name for it."""
    content_hash: str
    """Of the weights: contestants with equal hashes are the same model and are asked once."""


@dataclass(frozen=True, slots=True)
class Answer:
    row_id: str
    text: str
    finish: Finish
    completion_tokens: int
    logprob_sum: float
    """Natural-log probability of the whole reference and its end of turn."""
    reference_tokens: int
    """How many tokens that was; at least 1."""
    answer_nll_base: float | None = None
    """Nats per token of the answer itself under the base model, where that was asked (`eval.oddity`)."""


class Answered(NamedTuple):
    answers: tuple[Answer, ...]
    """In the order of the rows."""
    too_long: tuple[str, ...]
    """Ids of rows that the engine refused since they exceed its context."""
    asked: int
    """How many rows were asked now; the others' answers were kept."""


async def answer_suite(
    engine: Engine,
    rows: Sequence[SuiteRow],
    *,
    contestant: Contestant,
    sampling: Sampling,
    cache: Path,
    on_step: OnStep,
    in_flight: int = 16,
) -> Answered:
    """Every row's answer, from the folder `cache` where it was given before; at most `in_flight` asked at once.

    The first failure cancels the rest and is raised as it is; what was answered by then stays in the cache. Raises
    EvaluationFailed where the engine refuses every row: then it is not the rows that are too long.
    """
    kept = Kept(kept_file(cache, contestant.content_hash), Answer)
    asked: list[str] = []
    slots = asyncio.Semaphore(in_flight)
    done = itertools.count(1)

    async def one(row: SuiteRow) -> Answer | InvalidInput:
        key = _key(row, contestant, sampling=sampling)
        answer: Answer | InvalidInput | None = kept.find(key)
        if answer is None:
            asked.append(key)
            async with slots:
                answer = await _ask_unless_refused(engine, row, model=contestant.model, sampling=sampling)
            if isinstance(answer, Answer):
                kept.keep(key, answer, row_id=row.row_id)
        on_step(next(done), len(rows))
        return answer

    results = await gather_or_first_failure([one(row) for row in rows])
    refusals = [result for result in results if isinstance(result, InvalidInput)]
    if refusals and len(refusals) == len(rows):
        raise EvaluationFailed(
            f"the engine refused every row ({refusals[0].problem})", subject=contestant.model, remedy=refusals[0].remedy
        )
    too_long = tuple(row.row_id for row, result in zip(rows, results, strict=True) if isinstance(result, InvalidInput))
    return Answered(tuple(result for result in results if isinstance(result, Answer)), too_long, len(asked))


async def ask(engine: Engine, row: SuiteRow, *, model: str, sampling: Sampling) -> Answer:
    """One answer. Raises EvaluationFailed where it ended early or could not be scored, and what the engine raises."""
    # First: a score reads no prompt that an engine keeps but leaves it kept, and the answer begins behind it.
    score = await score_reference(engine, row, model=model)
    request = ChatRequest(row.messages, model, seeded(sampling, row), f"eval-{new_id()}")
    said = await hear(engine, request, what=f"the answer to row {row.row_id}")
    return Answer(row.row_id, *said, score.logprob_sum, score.tokens)


class Said(NamedTuple):
    text: str
    finish: Finish
    completion_tokens: int


async def hear(engine: Engine, request: ChatRequest, *, what: str) -> Said:
    """A whole answer. Raises EvaluationFailed where `what` was asked for ended early, and what the engine raises."""
    pieces: list[str] = []
    finish, completion_tokens = None, 0
    async with aclosing(engine.stream(request)) as stream:
        async for delta in stream:
            pieces.append(delta.text)
            finish, completion_tokens = delta.finish, delta.completion_tokens
    if finish not in COMPLETE:
        raise EvaluationFailed(
            f"{what} ended early ({finish or 'no end'})",
            subject=request.model,
            remedy="Look at the engine's log and run the evaluation again; what was answered is kept.",
        )
    return Said("".join(pieces), finish, completion_tokens)


class ReferenceScore(NamedTuple):
    logprob_sum: float
    tokens: int


async def score_reference(engine: Engine, row: SuiteRow, *, model: str) -> ReferenceScore:
    """How likely `model` finds the reference and its end of turn, given the conversation."""
    chat = await engine.tokenize(row.messages, answer=row.reference)
    if not chat.answer_ids:
        raise _misaligned(row, model, found=0, asked=0)
    logprobs = await score_text(engine, row, model=model, prompt_ids=chat.prompt_ids, answer_ids=chat.answer_ids)
    return ReferenceScore(sum(logprobs), len(logprobs))


async def score_text(
    engine: Engine, row: SuiteRow, *, model: str, prompt_ids: Sequence[int], answer_ids: Sequence[int]
) -> Sequence[float]:
    """Log-probabilities of `answer_ids`, of which there is at least one, behind the prompt."""
    # The first token of all has no log-probability; it belongs to the prompt.
    logprobs = await engine.answer_logprobs(model, prompt_ids, answer_ids) if prompt_ids else ()
    if len(logprobs) != len(answer_ids):
        raise _misaligned(row, model, found=len(logprobs), asked=len(answer_ids))
    return logprobs


def seeded(sampling: Sampling, row: SuiteRow) -> Sampling:
    """A seed for each row, the same for every contestant: with one for all, like answers would share their luck."""
    if sampling.seed is None:
        return sampling
    return replace(sampling, seed=int(digest(f"{sampling.seed} {row.row_id}")[:7], 16))


def _misaligned(row: SuiteRow, model: str, *, found: int, asked: int) -> EvaluationFailed:
    return EvaluationFailed(
        f"{found} log-probabilities came back for {asked} tokens of row {row.row_id}",
        subject=model,
        remedy="Check the model's chat template and the engine's version.",
    )


async def _ask_unless_refused(
    engine: Engine, row: SuiteRow, *, model: str, sampling: Sampling
) -> Answer | InvalidInput:
    try:
        return await ask(engine, row, model=model, sampling=sampling)
    except InvalidInput as refusal:
        # The protocol's word for a prompt beyond the context: no reason to give up the other rows.
        return refusal


async def gather_or_first_failure(calls: Sequence[Coroutine[None, None, _T]]) -> list[_T]:
    """Like a TaskGroup, but callers who catch our errors by kind must not meet an ExceptionGroup."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    return [task.result() for task in tasks]


def _key(row: SuiteRow, contestant: Contestant, *, sampling: Sampling) -> str:
    asked = [contestant.content_hash, row.row_id, row.messages, row.reference, asdict(sampling)]
    return digest(json.dumps(asked, ensure_ascii=False, sort_keys=True))
