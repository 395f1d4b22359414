"""Take a whole model down that has the engine to itself and does not start, so that people are answered.

By a rollback like a person's: to the version before or, where that does not start either, to the base model. So the
audit tells it, the bot is held, and a server that is started again begins with what answers. Whoever has mended the
weights, or made room for them, promotes it again. Does not know how an engine is started (`serve.seat`).
"""

import asyncio
import logging
from typing import Final

from deploy.rollout import Rollout
from deploy.seat import Seat
from nightschool.errors import NightschoolError
from nightschool.home import Home
from nightschool.records import AdapterName

log = logging.getLogger(__name__)

SERVER: Final = "server"
"""Who takes it down, in the audit."""
PAUSE_S: Final = 300.0
"""Where no other engine starts either: before the next try. It is started on meanwhile."""


async def keep_answered(rollout: Rollout, seat: Seat | None, *, home: Home, pause_s: float = PAUSE_S) -> None:
    """Until cancelled; at once over where the engine is not the server's own."""
    while seat:
        sitter = await seat.until_it_does_not_start()
        if not await _take_down(rollout, sitter.name, home=home):
            await asyncio.sleep(pause_s)


async def _take_down(rollout: Rollout, name: AdapterName, *, home: Home) -> bool:
    """Whether somebody answers in its place."""
    words = home.whole_model_log(str(name))
    again = f"`nightschool promote --bot {name.bot} --version {name.version}` tries it again"
    reason = f"its engine did not start ({words} says why); {again}"
    log.error("adapter=%s is taken down: %s", name, reason)
    for version in (None, 0):
        try:
            await rollout.rollback(
                name.bot, version=version, only_from=name, actor=SERVER, reason=reason, may_pause=True
            )
        except NightschoolError as error:
            log.error("adapter=%s keeps the engine, which does not start: %s", name, error)
        else:
            return True
    return False
