"""Ask a contestant every case of a suite once, check its answers and measure them.

An answer that did not come, was cut short by the engine or cannot be judged makes its case void, with a note; only an
engine that does not answer at all is raised, so that a night waits for it. Replies are kept as they come, by what was
asked. Does not know where suites come from, nor what their results lead to.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from eval.answers import Contestant, gather_or_first_failure, hear, score_reference
from eval.kept import Kept, digest, kept_file
from eval.shown import GuardOrder, asked_in, show
from eval.suite.case import CaseResult, Reply, Status, Suite, SuiteCase, SuiteResult
from eval.suite.figures import measure
from eval.suites import SuiteRow
from nightschool.engine import ChatRequest, Engine
from nightschool.errors import EvaluationFailed, InvalidInput, Unavailable
from nightschool.records import ChatMessage, Finish, Sampling, new_id

logger = logging.getLogger(__name__)

Clock = Callable[[], float]
OnStep = Callable[[int, int], None]
"""Told after each case: cases done, cases in all."""


class Void(NamedTuple):
    """Why there is no reply."""

    note: str


def hash_question(case: SuiteCase, *, is_scored: bool) -> str:
    """The same for equal questions of any suite: checks may change, the answer is the same."""
    asked = [case.messages, case.then, case.reference if is_scored else None]
    return digest(json.dumps(asked, ensure_ascii=True, sort_keys=True))


async def run_suite(
    suite: Suite,
    engine: Engine,
    contestant: Contestant,
    *,
    sampling: Sampling,
    cache: Path,
    slots: asyncio.Semaphore,
    on_step: OnStep = lambda _done, _total: None,
    clock: Clock = time.monotonic,
) -> SuiteResult:
    """What the contestant makes of the suite, with replies from the folder `cache` where it gave them before; `slots`
    bounds what is asked at once, of other suites too.

    Raises what the engine raises while it is down, and UnknownModel where it does not serve the contestant.
    """
    bounded = replace(sampling, max_tokens=min(sampling.max_tokens, suite.max_tokens))
    asker = _Asker(engine, contestant, sampling=bounded, scores=suite.scores_references, guard=suite.guard, clock=clock)
    kept = Kept(kept_file(cache, contestant.content_hash, what="suites"), Reply)
    done = asked = 0

    async def one(case: SuiteCase) -> Reply | Void:
        nonlocal asked, done
        question = hash_question(case, is_scored=suite.scores_references)
        key = asker.key(question)
        reply: Reply | Void | None = kept.find(key)
        if reply is None:
            async with slots:
                reply = await asker.ask(case)
            if isinstance(reply, Reply):
                kept.keep(key, replace(reply, latency_s=None), row_id=question)
            asked += 1
        done += 1
        on_step(done, len(suite.cases))
        return reply

    replies = await gather_or_first_failure([one(case) for case in suite.cases])
    logger.info("suite=%s contestant=%s asked=%d read=%d", suite.name, contestant.label, asked, done - asked)
    # Judged in a thread: the server has others to answer.
    return await asyncio.to_thread(judge, suite, replies, contestant=contestant)


def judge(suite: Suite, replies: Sequence[Reply | Void], *, contestant: Contestant) -> SuiteResult:
    """`replies` in the order of the suite's cases. Pure but for what a suite's own checks do."""
    results = tuple(_judge(case, reply) for case, reply in zip(suite.cases, replies, strict=True))
    answered = [(case, reply) for case, reply in zip(suite.cases, replies, strict=True) if not isinstance(reply, Void)]
    return SuiteResult(suite.name, contestant.label, results, measure(suite, answered))


def _judge(case: SuiteCase, reply: Reply | Void) -> CaseResult:
    question = case.then[-1] if case.then else case.messages[-1]["content"]
    if isinstance(reply, Void):
        return CaseResult(case.case_id, "void", question, "", note=reply.note, kind=case.kind)
    failed: list[str] = []
    for check in case.checks:
        try:
            holds = check.holds(reply)
        except Exception as error:  # a suite's own code, which must not end a night
            note = f"the check {check.name} broke: {error!r}"
            return CaseResult(case.case_id, "void", question, reply.text, note=note, kind=case.kind)
        if not holds:
            failed.append(check.name)
    status: Status = "measured" if not case.checks else "failed" if failed else "passed"
    return CaseResult(case.case_id, status, question, reply.text, tuple(failed), case.note, case.kind)


class _Asker:
    """One contestant, asked under one sampling."""

    def __init__(
        self,
        engine: Engine,
        contestant: Contestant,
        *,
        sampling: Sampling,
        scores: bool,
        guard: GuardOrder | None,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._contestant = contestant
        self._sampling = sampling
        self._scores = scores
        self._guard = guard
        self._clock = clock

    def key(self, question: str) -> str:
        guarded = self._guard.identity if self._guard else None
        asked = [self._contestant.content_hash, question, asdict(self._sampling), guarded]
        return digest(json.dumps(asked, ensure_ascii=True, sort_keys=True))

    async def ask(self, case: SuiteCase) -> Reply | Void:
        try:
            return await self._ask(case)
        except (InvalidInput, EvaluationFailed) as error:
            return Void(error.problem)
        except Unavailable as error:
            # Where the engine answers others, it is this question that it cannot answer.
            await self._engine.check_ready()
            return Void(error.problem)

    async def _ask(self, case: SuiteCase) -> Reply:
        said = list(case.messages)
        reply = await self._say(tuple(said), guard=None if case.then else self._guard)
        for word in case.then:
            said += [ChatMessage(role="assistant", content=reply.text), ChatMessage(role="user", content=word)]
            reply = await self._say(tuple(said))
        if not self._scores or case.reference is None:
            return reply
        return await self._score(case, case.reference, reply)

    async def _say(self, messages: tuple[ChatMessage, ...], *, guard: GuardOrder | None = None) -> Reply:
        if self._sampling.max_tokens == 0:
            return Reply("", Finish.STOP, 0, 0.0)
        began = self._clock()
        request = ChatRequest(messages, self._contestant.model, self._seeded(messages), f"suite-{new_id()}")
        said = await hear(self._engine, request, what="the answer")
        if guard is not None:
            found = await asyncio.to_thread(guard.find, asked_in(messages))
            said = said._replace(text=(await show(self._engine, request, said, found, order=guard)).text)
        # Half of a surrogate pair can be neither kept nor shown.
        text = said.text.encode("utf-8", "replace").decode()
        return Reply(text, said.finish, said.completion_tokens, self._clock() - began)

    async def _score(self, case: SuiteCase, reference: str, reply: Reply) -> Reply:
        row = SuiteRow(case.case_id, case.case_id, case.messages, reference)
        score = await score_reference(self._engine, row, model=self._contestant.model)
        return replace(reply, logprob_sum=score.logprob_sum, reference_tokens=score.tokens)

    def _seeded(self, messages: Sequence[ChatMessage]) -> Sampling:
        """A seed for each question, the same for every contestant."""
        if self._sampling.seed is None:
            return self._sampling
        said = json.dumps([self._sampling.seed, messages], ensure_ascii=True, sort_keys=True)
        return replace(self._sampling, seed=int(digest(said)[:7], 16))
