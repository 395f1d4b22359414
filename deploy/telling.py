"""Tell of a night that is over: leave its pages in its folder, and send its report on to whom the bot's file names.

Asks the record what waits for a person. Does not word the pages (`deploy.morning`, `eval.page`) nor know a way out of
the machine (`deploy.sinks`). Nothing that people wrote or models answered is sent on.
"""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from collect import registry
from collect.gaps import list_gaps
from collect.holds import find_hold
from collect.registry import Evaluation
from collect.store import Cursor, Store
from collect.waiting import list_waiting
from deploy.morning import NAME, date_of, headline, morning_report
from deploy.page import MOST_NIGHTS, write_exam_page
from deploy.plan import NightFolder
from deploy.sinks import Parcel, send
from deploy.stages import in_production
from eval.complaints import read_suites_asked
from nightschool.bots import BotShelf
from nightschool.errors import NightschoolError
from nightschool.files import write_atomic
from nightschool.records import AdapterName, BotName, Cycle, CycleState, Outcome

log = logging.getLogger(__name__)

MANY: Final = 100
"""Of what waits: beyond it the count says no more."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent of one night."""

    cycle: Cycle
    headline: str
    live: str
    """Who answers now."""
    needs: tuple[str, ...]
    """What wants a person."""
    page: str
    """The morning page, Markdown."""

    def as_parcel(self) -> Parcel:
        """By the cycle's id."""
        cycle = self.cycle
        return Parcel(
            parcel_id=cycle.cycle_id,
            at=cycle.finished_at or cycle.started_at,
            content=self._as_json(),
            file_name=f"{cycle.bot}-{date_of(cycle)}-{cycle.cycle_id}.eml",
            subject=f"{cycle.bot}: {cycle.outcome or cycle.state} in the night of {date_of(cycle)}",
            text=self.page,
        )

    def _as_json(self) -> dict[str, Any]:
        cycle = self.cycle
        return {
            "schema_version": 1,
            "cycle": cycle.cycle_id,
            "bot": cycle.bot,
            "started_at": cycle.started_at.isoformat(),
            "finished_at": cycle.finished_at.isoformat() if cycle.finished_at else None,
            "state": cycle.state,
            "outcome": cycle.outcome,
            "candidate": f"{cycle.bot}@{cycle.candidate}" if cycle.candidate else None,
            "live": self.live,
            "headline": self.headline,
            "reasons": list(cycle.reasons),
            "needs_a_person": list(self.needs),
            "figures": json.loads(cycle.figures_json),
            "page": self.page,
        }


class _Known(NamedTuple):
    """What the record says by the time a night ends."""

    judged: Sequence[Evaluation] = ()
    live: str = ""
    needs: tuple[str, ...] = ()


async def leave_pages(store: Store, folder: NightFolder, cycle: Cycle) -> Letter | None:
    """Word the morning page and draw the exam's, and return what may be sent on. Never raises: None where the disk or
    a fault of ours kept it from being written, and whoever asks is given one that is worded anew
    (`deploy.morning.read_pages`)."""
    try:
        return await _leave_pages(store, folder, cycle)
    except Exception as error:
        log.error("cycle=%s its morning page was not written: %s", cycle.cycle_id, error)
        return None


async def send_letter(shelf: BotShelf, folder: NightFolder, letter: Letter | None) -> None:
    """Send it on; what could not be sent stands at the end of the morning page. Never raises."""
    if letter is None:
        return
    try:
        missed = await send(shelf.find(letter.cycle.bot).morning, letter.as_parcel())
        for sink, why in missed:
            log.warning("bot=%s cycle=%s report: the %s %s", letter.cycle.bot, letter.cycle.cycle_id, sink, why)
        if missed:
            told = "".join(f"- The {sink} {why}.\n" for sink, why in missed)
            await asyncio.to_thread(write_atomic, folder.root / NAME, f"{letter.page}\n## Not sent\n\n{told}")
    except Exception as error:
        log.error("cycle=%s its report was not sent on: %s", letter.cycle.cycle_id, error)


async def _leave_pages(store: Store, folder: NightFolder, cycle: Cycle) -> Letter:
    try:
        known = await store.read(partial(_look_up, bot=cycle.bot))
    except NightschoolError:
        # A record that cannot be read may be why the night failed; the page says so all the same.
        known = _Known()
    needs = (*_of_the_night(folder, cycle), *known.needs)
    page = await asyncio.to_thread(morning_report, folder, cycle, live=known.live, needs=needs)
    letter = Letter(cycle=cycle, headline=headline(cycle), live=known.live, needs=needs, page=page)
    await asyncio.to_thread(write_atomic, folder.root / NAME, page)
    await asyncio.to_thread(write_exam_page, folder, cycle, judged=known.judged, headline=letter.headline)
    return letter


def _of_the_night(folder: NightFolder, cycle: Cycle) -> Iterator[str]:
    if cycle.outcome is Outcome.HOLD:
        name = AdapterName(cycle.bot, cycle.candidate)
        yield f"{name} passed and is held: promote it by hand, or leave it to the next night."
    if cycle.state is CycleState.FAILED:
        yield "The night failed: look at why, below. The next one tries again."
    if cycle.outcome is Outcome.INSUFFICIENT_DATA:
        yield "There is too little to learn from or to ask: import conversations, or rule on what waits."
    complaints = read_suites_asked(folder.evaluation, rival="production").complaints
    still_open = sum(complaint.is_right is False for complaint in complaints)
    if still_open:
        yield f"{still_open} of {len(complaints)} corrected complaints are answered wrongly still; its page names them."


def _look_up(cursor: Cursor, *, bot: BotName) -> _Known:
    live = in_production(registry.adapters(cursor, bot=bot))
    return _Known(
        judged=registry.evaluations(cursor, bot=bot, limit=MOST_NIGHTS),
        live=str(live.name if live else AdapterName(bot, None)),
        needs=_of_the_record(cursor, bot=bot),
    )


def _of_the_record(cursor: Cursor, *, bot: BotName) -> tuple[str, ...]:
    waiting, gaps = len(list_waiting(cursor, bot=bot, limit=MANY)), len(list_gaps(cursor, bot=bot, limit=MANY))
    told = []
    if hold := find_hold(cursor, bot=bot):
        told.append(f"No version goes live by itself: held by {hold.armed_by} ({hold.reason}). `release` lifts it.")
    if waiting:
        told.append(f"{_count(waiting)} suggested answers wait for a ruling (console, Feedback, Waiting).")
    if gaps:
        told.append(f"{_count(gaps)} questions are answered badly and nothing in the record answers them (Gaps).")
    return tuple(told)


def _count(number: int) -> str:
    return str(number) if number < MANY else f"{MANY} or more"
