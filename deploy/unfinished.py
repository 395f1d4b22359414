"""Go on with a training whose night ran out of time or failed before its exam was over, rather than throw it away.

Moves the run and what it trains on into the new night's folder. Killed in between it is done again: the run is moved
last. Does not train.
"""

import logging
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from deploy.known import Order, keep_order, read_order
from deploy.plan import Attempt, NightFolder
from deploy.training import SPENT, TIMED_OUT
from nightschool.errors import InvalidInput
from nightschool.files import write_atomic
from nightschool.run_files import DONE
from tune.dataset import is_usable
from tune.recipe import read_recipe

log = logging.getLogger(__name__)

TAKEN: Final = "TAKEN"
MAX_NIGHTS: Final = 3
"""So many nights may fail with one trained adapter; then another is trained."""


def take_over(nights: Path, *, into: NightFolder, order: Order, went_live: AbstractSet[str] = frozenset()) -> bool:
    """Whether `into` goes on with a former night's run. `nights` holds the bot's nights.

    Only with one that trains by the same order: a changed one begins anew. Not with one whose adapter was examined, or
    was put live by somebody, as that of the cycles `went_live`; nor with what is older than such a one.
    """
    marks = [*nights.glob(f"*/run/{TIMED_OUT}"), *nights.glob(f"*/run/{DONE}")]
    for mark in sorted(marks, key=lambda mark: mark.stat().st_mtime_ns, reverse=True):
        old = NightFolder(mark.parent.parent)
        if Attempt(old.root, 1).is_examined() or old.root.name in went_live:
            return False
        if _may_go_on(old, order):
            _move(old, into=into, order=order)
            return True
    return False


def give_time(run: Path) -> None:
    """A run that ran out of time has its night's time anew."""
    if (run / TIMED_OUT).exists():
        (run / SPENT).unlink(missing_ok=True)
        (run / TIMED_OUT).unlink()


def _may_go_on(night: NightFolder, order: Order) -> bool:
    before = read_order(night.root)
    return (
        night.read_dataset() is not None
        and before is not None
        and not order.changes_since(before)
        and _has_its_dataset(night.run)
        and _times_taken(night.run) + 1 < MAX_NIGHTS
    )


def _move(old: NightFolder, *, into: NightFolder, order: Order) -> None:
    data = old.read_dataset()
    assert data is not None, "asked before"
    into.write_dataset(data)
    keep_order(into.root, order)
    if (old.run / DONE).exists():
        write_atomic(old.run / TAKEN, f"{_times_taken(old.run) + 1}\n")
    old.run.rename(into.run)
    give_time(into.run)
    log.info("night=%s goes on with the training of night=%s", into.root.name, old.root.name)


def _times_taken(run: Path) -> int:
    """By how many nights its finished adapter was taken over."""
    return int((run / TAKEN).read_text(encoding="utf-8")) if (run / TAKEN).exists() else 0


def _has_its_dataset(run: Path) -> bool:
    try:
        return is_usable(Path(read_recipe(run).dataset))
    except InvalidInput:
        return False
