"""Go on with a training that ran out of its night's time, in the bot's next night, rather than throw the work away.

Moves the run and what it trains on into the new night's folder. Killed in between it is done again: the run is moved
last. Does not train.
"""

import logging
from pathlib import Path

from deploy.known import Order, keep_order, read_order
from deploy.plan import NightFolder
from deploy.training import SPENT, TIMED_OUT
from nightschool.errors import InvalidInput
from tune.recipe import read_recipe

log = logging.getLogger(__name__)


def take_over(nights: Path, *, into: NightFolder, order: Order) -> bool:
    """Whether `into` goes on with a former night's run. `nights` holds the bot's nights.

    Only with one that trains by the same order: a changed one begins anew.
    """
    if into.run.exists():
        _give_time(into.run)
        return False
    for run in sorted(nights.glob(f"*/run/{TIMED_OUT}"), key=lambda mark: mark.stat().st_mtime_ns, reverse=True):
        old = NightFolder(run.parent.parent)
        data = old.read_dataset()
        before = read_order(old.root)
        if data and before and not order.changes_since(before) and _has_its_dataset(old.run):
            into.write_dataset(data)
            keep_order(into.root, order)
            old.run.rename(into.run)
            _give_time(into.run)
            log.info("night=%s goes on with the training of night=%s", into.root.name, old.root.name)
            return True
    return False


def _has_its_dataset(run: Path) -> bool:
    try:
        return Path(read_recipe(run).dataset).exists()
    except InvalidInput:
        return False


def _give_time(run: Path) -> None:
    if (run / TIMED_OUT).exists():
        (run / SPENT).unlink(missing_ok=True)
        (run / TIMED_OUT).unlink()
