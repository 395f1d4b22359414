"""Send a night's report on: to a webhook as JSON, and into a folder as an e-mail that a mailer may send.

Every failure is told, bounded in time and tries, and none is raised: the night is over whatever becomes of its report.
Nothing that people wrote or models answered leaves by these ways; the cycle's id tells a report that came twice.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import httpx

from nightschool.files import write_atomic
from nightschool.morning_part import MorningPart
from nightschool.records import Cycle

log = logging.getLogger(__name__)

PAUSE_S: Final = 2.0
"""Before the second try, twice that before the third."""
PASSING_STATUS: Final = frozenset({408, 425, 429})
"""Refusals that may be none a moment later, as any of 500 and above."""


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

    def as_json(self) -> dict[str, Any]:
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


async def send_on(part: MorningPart, letter: Letter, *, pause_s: float = PAUSE_S) -> Sequence[str]:
    """Sentences on what could not be sent."""
    problems = []
    if part.webhook and (problem := await _post(part, letter, pause_s=pause_s)):
        problems.append(f"The webhook did not take this report: {problem}.")
    if part.mail_folder:
        try:
            await asyncio.to_thread(_drop, part, letter)
        except OSError as error:
            problems.append(f"No e-mail could be left in {part.mail_folder}: {error.strerror or error}.")
    for problem in problems:
        log.warning("bot=%s cycle=%s %s", letter.cycle.bot, letter.cycle.cycle_id, problem)
    return problems


async def _post(part: MorningPart, letter: Letter, *, pause_s: float) -> str | None:
    """Why it was not taken by the last try; None where it was."""
    problem: str | None = None
    async with httpx.AsyncClient(timeout=part.timeout_s, follow_redirects=False) as http:
        for number in range(part.tries):
            if number:
                await asyncio.sleep(pause_s * 2 ** (number - 1))
            try:
                # httpx counts from byte to byte: an answer that trickles would never end.
                async with asyncio.timeout(part.timeout_s):
                    status = (await http.post(part.webhook, json=letter.as_json())).status_code
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                problem = f"{type(error).__name__} after {number + 1} tries"
                continue
            if status < 300:
                return None
            problem = f"it answered {status}"
            if status < 500 and status not in PASSING_STATUS:
                break
    return problem


def _drop(part: MorningPart, letter: Letter) -> None:
    """The same night is the same file. Raises OSError."""
    cycle = letter.cycle
    ended: datetime = cycle.finished_at or cycle.started_at
    mail = EmailMessage()
    mail["Subject"] = f"{cycle.bot}: {cycle.outcome or cycle.state} in the night of {cycle.started_at:%Y-%m-%d}"
    mail["From"], mail["To"] = part.mail_from, part.mail_to
    mail["Date"] = format_datetime(ended)
    mail["Message-ID"] = f"<{cycle.cycle_id}@nightschool.invalid>"
    mail.set_content(letter.page)
    file = Path(part.mail_folder) / f"{cycle.bot}-{cycle.started_at:%Y-%m-%d}-{cycle.cycle_id}.eml"
    write_atomic(file, mail.as_bytes())
