"""What the console does: shows the record, reviews feedback, starts nights, moves adapters. Knows no component.

Every change names its actor, so that the audit tells a click in the console from a command and from the gate.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from collect import cycles, events, registry
from collect.holds import Hold, find_hold
from collect.scores import Score, scores_about
from collect.signals.detect import Kind
from collect.store import LOOK_S, Store
from deploy.meant import find_to_promote, find_ways_down
from deploy.morning import read_pages
from deploy.plan import NightFolder, Step
from deploy.rollout import Rollout
from deploy.schedule import Nights
from eval.suite.golden import GoldenCase
from nightschool.bots import BotShelf
from nightschool.errors import Busy, InvalidInput
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Cycle, CycleState, Event, Review, utc_now
from serve.console.reports import find_page
from serve.console.rulings import LIST_LIMIT, Key, Listed, Row, Shown, find_row, list_rows, record_ruling
from serve.golden import GoldenCases
from serve.masking import Masking
from tune.progress import StepFollower, StepLine, TrainingProgress

Intent = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Night:
    """One cycle with what it left behind."""

    cycle: Cycle
    report: str
    """Markdown; empty where there is none."""
    picture_base64: str
    """PNG; empty where there is none."""
    steps: Sequence[StepLine]
    """Of its training, as far as it is."""
    training: TrainingProgress | None
    """While it trains, from its first step on."""
    page: str = ""
    """Of its exam, as of `AdapterRow`."""


@dataclass(frozen=True, slots=True)
class AdapterRow:
    adapter: Adapter
    verdict: str
    page: str = ""
    """Of its night's exam, an address below the console's; empty where there is none."""


class ConsoleHandlers:
    """Made once for the page, given the parts it needs."""

    def __init__(
        self,
        *,
        store: Store,
        rollout: Rollout,
        nights: Nights,
        shelf: BotShelf,
        home: Home,
        golden: GoldenCases,
        masking: Masking,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._rollout = rollout
        self._nights = nights
        self._shelf = shelf
        self._home = home
        self._golden = golden
        self._masking = masking
        self._now = now
        # Of the night that was looked at last: a running one is read on from where the look before it ended.
        self._followed: tuple[Path, StepFollower] | None = None
        self._reading = asyncio.Lock()
        # Two clicks on one question: the second finds the bot moved.
        self._moving = asyncio.Lock()

    def bots(self) -> tuple[BotName, ...]:
        return tuple(self._shelf.bots)

    async def rows(self, bot: str | None, show: str, signal: str = "") -> Sequence[Row]:
        """One of the lists of `serve.console.rulings`, of one bot or of all; of the queue, of one signal or of all."""
        listed = Listed(BotName(bot) if bot else None, show, Kind(signal) if signal else None)
        return await self._store.read_long(partial(list_rows, listed=listed, now=self._now()), deadline_s=LOOK_S)

    async def row(self, key: Key) -> Row:
        """Raises NotFound where it was taken back or ruled on."""
        return await self._store.read_long(partial(find_row, key=key, now=self._now()), deadline_s=LOOK_S)

    async def scores(self, message_id: str) -> Sequence[Score]:
        """Named scores of the answer, and of its conversation as a whole."""
        return await self._store.read(partial(scores_about, message_id=message_id))

    async def review(self, shown: Shown, *, approved_text: str | None, actor: str) -> Review:
        """Let a text into training in an answer's place, or keep the answer out.

        Raises Busy where what was shown changed meanwhile, InvalidInput for an empty text.
        """
        if approved_text is not None and not approved_text.strip():
            raise InvalidInput("is empty", subject="the text", remedy="Write it, or keep the answer out of training.")
        if approved_text is not None:
            approved_text = await self._masking.about(shown.message_id, approved_text, bot=shown.bot)
        review = Review(
            message_id=shown.message_id,
            bot=shown.bot,
            reviewer=actor,
            approved=approved_text is not None,
            corrected_answer=approved_text or "",
            tags=(),
            reviewed_at=self._now(),
        )
        return await self._store.write(partial(record_ruling, shown=shown, review=review))

    async def make_case(self, shown: Shown, *, must_say: str, must_not_say: str, actor: str) -> GoldenCase:
        """Have each exam ask what led to the answer. Raises InvalidInput without a fact, Busy where it is asked."""
        return await self._golden.add_from_answer(
            shown.message_id,
            must_say=[line.strip() for line in must_say.splitlines() if line.strip()],
            must_not_say=[line.strip() for line in must_not_say.splitlines() if line.strip()],
            actor=actor,
        )

    async def cycles(self, bot: str | None = None) -> list[Cycle]:
        """Newest first."""
        name = BotName(bot) if bot else None
        return await self._store.read(partial(cycles.list_cycles, bot=name, limit=LIST_LIMIT))

    async def night(self, cycle_id: str) -> Night:
        """Raises NotFound."""
        cycle = await self._store.read(partial(cycles.cycle, cycle_id=cycle_id))
        folder = NightFolder(self._home.cycle(cycle.bot, cycle_id))
        async with self._reading:
            night = await asyncio.to_thread(_read_night, cycle, folder, self._follower(folder.run))
        return replace(night, page=find_page(self._home, cycle.bot, cycle_id))

    async def start_night(self, bot: str, *, is_forced: bool, actor: str) -> Cycle:
        """Begin a cycle now. Raises Busy where one of the bot runs."""
        return await self._nights.start(self._shelf.find(bot).bot_name, actor=actor, force=is_forced)

    async def is_running(self) -> bool:
        return any(cycle.state is CycleState.RUNNING for cycle in await self.cycles())

    async def adapters(self, bot: str | None = None) -> list[AdapterRow]:
        """Newest first, each with the verdict of the night that made it."""
        name = BotName(bot) if bot else None
        found = await self._store.read(partial(registry.adapters, bot=name))
        nights = {cycle.cycle_id: cycle.outcome for cycle in await self.cycles(bot)}
        return [
            AdapterRow(a, _verdict(a, nights.get(a.cycle_id)), find_page(self._home, a.bot, a.cycle_id)) for a in found
        ]

    async def events(self, bot: str | None = None) -> list[Event]:
        """The audit, newest first."""
        name = BotName(bot) if bot else None
        return await self._store.read(partial(events.list_events, bot=name, limit=LIST_LIMIT))

    def live(self, bot: BotName) -> str:
        """The name of the version that answers now."""
        return str(self._rollout.route(bot).name)

    def check_reason(self, reason: str) -> None:
        """Raises InvalidInput where there is none."""
        if not reason.strip():
            raise InvalidInput("is empty", subject="reason", remedy="Say why: it is kept in the audit.", param="reason")

    async def pause_of(self, intent: Intent, bot: str, *, version: int | None) -> str:
        """What the move takes where nobody would be answered for a while; empty where somebody always is."""
        name, seating = self._shelf.find(bot).bot_name, self._rollout.seating
        if intent == "promote":
            return seating.describe_pause(await find_to_promote(self._store, name, version))
        return seating.describe_pause((await find_ways_down(self._store, name, version)).first)

    async def promote(
        self, bot: str, *, version: int | None, reason: str, while_live: str, actor: str, may_pause: bool = False
    ) -> str:
        """The name of the version that answers from now on.

        Raises InvalidInput without a reason, Busy where it is not `while_live` any more that answers.
        """
        self.check_reason(reason)
        name = self._shelf.find(bot).bot_name
        async with self._moving:
            self._check_live(name, while_live)
            promote = partial(self._rollout.promote, version=version, actor=actor, reason=reason.strip())
            adapter = await promote(name, may_pause=may_pause)
        return str(adapter.name)

    async def rollback(
        self, bot: str, *, version: int | None, reason: str, while_live: str, actor: str, may_pause: bool = False
    ) -> str:
        """The name of the version that answers from now on: the one before, where none is given.

        Raises as `promote` does.
        """
        self.check_reason(reason)
        name = self._shelf.find(bot).bot_name
        async with self._moving:
            self._check_live(name, while_live)
            rollback = partial(self._rollout.rollback, version=version, actor=actor, reason=reason.strip())
            route = await rollback(name, may_pause=may_pause)
        return str(route.name)

    async def hold(self, bot: str) -> Hold | None:
        """What keeps the bot's versions from going live by themselves."""
        return await self._store.read(partial(find_hold, bot=BotName(bot)))

    async def release(self, bot: str, *, reason: str, actor: str) -> None:
        """Verdicts move the bot again. Raises InvalidInput without a reason, Busy where it is not held."""
        self.check_reason(reason)
        await self._rollout.release(self._shelf.find(bot).bot_name, actor=actor, reason=reason.strip())

    def _follower(self, run: Path) -> StepFollower:
        if self._followed is None or self._followed[0] != run:
            self._followed = (run, StepFollower(run))
        return self._followed[1]

    def _check_live(self, bot: BotName, while_live: str) -> None:
        if (now := self.live(bot)) != while_live:
            raise Busy(
                f"is answered by {now} now, not by {while_live}", subject=bot, remedy="Look again, then ask anew."
            )


def _verdict(adapter: Adapter, outcome: str | None) -> str:
    if outcome:
        return str(outcome)
    return "promote" if adapter.has_passing_verdict else "none"


def _read_night(cycle: Cycle, folder: NightFolder, follower: StepFollower) -> Night:
    is_training = cycle.state is CycleState.RUNNING and cycle.step == Step.TRAIN
    picture = folder.evaluation / "report.png"
    return Night(
        cycle=cycle,
        report=read_pages(folder, cycle),
        picture_base64=base64.b64encode(picture.read_bytes()).decode() if picture.exists() else "",
        steps=tuple(follower.read()),
        training=follower.progress() if is_training else None,
    )
