"""What the console does: shows the record, reviews feedback, starts nights, moves adapters. Knows no component.

Every change names its actor, so that the audit tells a click in the console from a command and from the gate.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from collect import cycles, events, feedback, registry, reviews
from collect.feedback import FeedbackRow
from collect.store import Store
from deploy.morning import NAME as MORNING
from deploy.plan import NightFolder
from deploy.rollout import Rollout
from deploy.schedule import Nights
from nightschool.bots import BotShelf
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Cycle, CycleState, Event, Review, Vote, utc_now

ACTOR: Final = "operator (console)"
LIST_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class Night:
    """One cycle with what it left behind."""

    cycle: Cycle
    report: str
    """Markdown; empty where there is none."""
    picture_base64: str
    """PNG; empty where there is none."""
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AdapterRow:
    adapter: Adapter
    verdict: str


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
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._rollout = rollout
        self._nights = nights
        self._shelf = shelf
        self._home = home
        self._now = now
        # Two clicks on one question: the second finds the bot moved.
        self._moving = asyncio.Lock()

    def bots(self) -> tuple[BotName, ...]:
        return tuple(self._shelf.bots)

    async def feedback(self, bot: str | None, vote: Vote | None) -> list[FeedbackRow]:
        """Newest first, of one bot or of all."""
        name = BotName(bot) if bot else None
        return await self._store.read(partial(feedback.list_feedback, bot=name, limit=LIST_LIMIT, vote=vote))

    async def review(self, row: FeedbackRow, *, is_approved: bool, corrected_answer: str = "") -> None:
        """Let an answer into training, with its text corrected where one is given, or keep it out."""
        corrected = corrected_answer.strip()
        review = Review(
            message_id=row.feedback.message_id,
            bot=row.feedback.bot,
            reviewer=ACTOR,
            approved=is_approved,
            corrected_answer="" if corrected == row.answer.strip() else corrected,
            tags=(),
            reviewed_at=self._now(),
        )
        await self._store.write(partial(reviews.record_review, review=review))

    async def cycles(self, bot: str | None = None) -> list[Cycle]:
        """Newest first."""
        name = BotName(bot) if bot else None
        return await self._store.read(partial(cycles.list_cycles, bot=name, limit=LIST_LIMIT))

    async def night(self, cycle_id: str) -> Night:
        """Raises NotFound."""
        cycle = await self._store.read(partial(cycles.cycle, cycle_id=cycle_id))
        folder = NightFolder(self._home.cycle(cycle.bot, cycle_id))
        return await asyncio.to_thread(_read_night, cycle, folder)

    async def start_night(self, bot: str, *, is_forced: bool) -> Cycle:
        """Begin a cycle now. Raises Busy where one of the bot runs."""
        return await self._nights.start(self._shelf.find(bot).bot_name, actor=ACTOR, force=is_forced)

    async def is_running(self) -> bool:
        return any(cycle.state is CycleState.RUNNING for cycle in await self.cycles())

    async def adapters(self, bot: str | None = None) -> list[AdapterRow]:
        """Newest first, each with the verdict of the night that made it."""
        name = BotName(bot) if bot else None
        found = await self._store.read(partial(registry.adapters, bot=name))
        outcomes = {cycle.cycle_id: cycle.outcome for cycle in await self.cycles(bot)}
        return [AdapterRow(adapter, _verdict(adapter, outcomes.get(adapter.cycle_id))) for adapter in found]

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

    async def promote(self, bot: str, *, version: int | None, reason: str, while_live: str) -> str:
        """The name of the version that answers from now on.

        Raises InvalidInput without a reason, Busy where it is not `while_live` any more that answers.
        """
        self.check_reason(reason)
        name = self._shelf.find(bot).bot_name
        async with self._moving:
            self._check_live(name, while_live)
            adapter = await self._rollout.promote(name, version=version, actor=ACTOR, reason=reason.strip())
        return str(adapter.name)

    async def rollback(self, bot: str, *, version: int | None, reason: str, while_live: str) -> str:
        """The name of the version that answers from now on: the one before, where none is given.

        Raises as `promote` does.
        """
        self.check_reason(reason)
        name = self._shelf.find(bot).bot_name
        async with self._moving:
            self._check_live(name, while_live)
            route = await self._rollout.rollback(name, version=version, actor=ACTOR, reason=reason.strip())
        return str(route.name)

    def _check_live(self, bot: BotName, while_live: str) -> None:
        if (now := self.live(bot)) != while_live:
            raise Busy(
                f"is answered by {now} now, not by {while_live}", subject=bot, remedy="Look again, then ask anew."
            )


def find_row(rows: Sequence[FeedbackRow], key: str) -> FeedbackRow:
    """The row that `row_key` named. Raises NotFound where it was taken back meanwhile."""
    for row in rows:
        if row_key(row) == key:
            return row
    raise NotFound("is not in the list any more", subject="feedback", remedy="Choose another one.")


def row_key(row: FeedbackRow) -> str:
    return f"{row.feedback.message_id} {row.feedback.voter}"


def _verdict(adapter: Adapter, outcome: str | None) -> str:
    if outcome:
        return str(outcome)
    return "promote" if adapter.has_passing_verdict else "none"


def _read_night(cycle: Cycle, folder: NightFolder) -> Night:
    pages, picture = (folder.root / MORNING, folder.evaluation / "report.md"), folder.evaluation / "report.png"
    return Night(
        cycle=cycle,
        report="\n\n".join(page.read_text() for page in pages if page.exists()),
        picture_base64=base64.b64encode(picture.read_bytes()).decode() if picture.exists() else "",
        losses=_read_losses(folder.run / "metrics.jsonl"),
    )


def _read_losses(file: Path) -> tuple[float, ...]:
    """The losses logged so far; the trainer may be writing the last line now."""
    if not file.exists():
        return ()
    whole_lines = file.read_text().rpartition("\n")[0].splitlines()
    steps = (json.loads(line) for line in whole_lines)
    return tuple(float(step["loss"]) for step in steps if step.get("loss") is not None)
