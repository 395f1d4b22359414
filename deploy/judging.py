"""From a candidate to the night's decision: the exam, taken again where the engine failed, then the verdict's effect.

What was reached before a crash is read and not asked again. Does not know how a verdict is reached (`deploy.exam`), nor
what may object to it (`collect.holds`).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from collect import holds, registry
from collect.registry import Evaluation
from collect.store import Store
from deploy.exam import examine_candidate
from deploy.known import find_trained
from deploy.plan import Attempt, Decision, Sitting
from deploy.rollout import Rollout
from eval.verdict import read_verdict
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import Busy, Unavailable, UnknownModel
from nightschool.home import Home
from nightschool.knowledge import Search
from nightschool.records import Adapter, Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES_S: Final = (5.0, 30.0, 120.0, 300.0, 600.0)
"""Before each further try of what the engine broke off; a restart of vLLM takes one to three minutes."""
PASSING: Final = (Unavailable, UnknownModel, Busy)
"""Failures that time mends: the engine is down, it has forgotten a contestant, its places are taken."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Who is examined, on what, and where that is written down."""

    bot: Bot
    candidate: Adapter
    dataset_hash: str
    attempt: Attempt


class Judge:
    """Judges candidates. One per server; made by `deploy.cycle`."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        rollout: Rollout,
        *,
        home: Home,
        base_model: str,
        now: Callable[[], datetime],
        search: Search,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._store = store
        self._engine = engine
        self._rollout = rollout
        self._home = home
        self._base_model = base_model
        self._now = now
        self._search = search
        self._pauses_s = pauses_s

    async def load(self, candidate: Adapter) -> None:
        """Have the engine serve the candidate. Raises the engine's failure once every pause has passed in vain."""
        await self._patiently(partial(self._rollout.load, candidate), subject=candidate)

    async def examine(self, paper: Paper, *, on_progress: Callable[[float], None]) -> None:
        """The exam, in the attempt's folder. Raises what it raises, the engine's failure only where it got no further
        between all the pauses."""
        reached = 0.0

        def note(share: float) -> None:
            nonlocal reached
            reached = max(reached, share)
            on_progress(share)

        examine = partial(self._examine, paper, on_progress=note)
        await self._patiently(examine, subject=paper.candidate, reached=lambda: reached)

    async def decide(self, paper: Paper) -> Decision:
        """What the exam comes to. A passing candidate is live by then, unless something speaks against it.

        Asked again after a crash it answers as before: the first verdict stays, and puts its candidate live once.
        """
        kept = await self.keep(paper)
        outcome, reasons = kept.outcome, kept.reasons
        promote = partial(self._rollout.promote_by_verdict, kept.evaluation_id)
        if outcome is Outcome.PROMOTE and (objection := await self._patiently(promote, subject=paper.candidate)):
            outcome, reasons = Outcome.HOLD, (f"Held: {objection}.", *reasons)
        return Decision(outcome, reasons, kept.figures_json)

    async def keep(self, paper: Paper) -> Evaluation:
        """Put the verdict into the record; the first of an attempt stays."""
        return await self._store.write(partial(holds.keep_verdict, evaluation=self._evaluation(paper)))

    async def _patiently(
        self, work: Callable[[], Awaitable[T]], *, subject: Adapter, reached: Callable[[], float] = lambda: 0.0
    ) -> T:
        """What `work` gives, tried again after each pause; whoever got further than before has all pauses anew."""
        tries, furthest = 0, reached()
        while True:
            try:
                return await work()
            except PASSING as error:
                if reached() > furthest:
                    tries, furthest = 0, reached()
                if tries == len(self._pauses_s):
                    raise
                log.warning("candidate=%s tried again in %g s: %s", subject.name, self._pauses_s[tries], error)
                await asyncio.sleep(self._pauses_s[tries])
                tries += 1

    async def _examine(self, paper: Paper, *, on_progress: Callable[[float], None]) -> None:
        name = paper.bot.bot_name
        moves = await self._store.read(partial(registry.count_moves, bot=name))
        paper.attempt.write_sitting(Sitting(moves=moves))
        await self._rollout.production(name)
        await examine_candidate(
            self._engine,
            self._store,
            self._rollout,
            home=self._home,
            base_model=self._base_model,
            bot=paper.bot,
            candidate=paper.candidate,
            dataset=self._home.dataset(name, paper.dataset_hash),
            production_trained=await find_trained(self._store, self._home, bot=name),
            folder=paper.attempt.evaluation,
            on_progress=on_progress,
            search=self._search,
        )

    def _evaluation(self, paper: Paper) -> Evaluation:
        """The exam in the folder, as the record keeps it."""
        stored = read_verdict(paper.attempt.evaluation)
        hashes = {contestant.label: contestant.content_hash for contestant in stored.question.contestants}
        return Evaluation(
            evaluation_id=paper.attempt.evaluation_id(paper.candidate.cycle_id),
            cycle_id=paper.candidate.cycle_id,
            bot=paper.bot.bot_name,
            candidate=paper.candidate.version,
            outcome=stored.outcome,
            reasons=stored.reasons,
            figures_json=json.dumps(stored.figures),
            folder=str(paper.attempt.evaluation.relative_to(self._home.root)),
            evaluated_at=self._now(),
            candidate_hash=hashes["candidate"],
            production_hash=hashes.get("production", ""),
            moves=paper.attempt.read_sitting().moves,
        )
