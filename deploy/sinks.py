"""Send something out of the machine: to a webhook as JSON, and into a folder as an e-mail that a mailer may send.

Every failure is told, bounded in time and tries, and none is raised: what happened has happened, whatever becomes of
what is told of it. A parcel's id tells one that came twice. With a key, what is posted is signed as Standard Webhooks
has it. Does not know what is sent (`deploy.telling`, `deploy.escalating`).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from nightschool.files import write_atomic
from nightschool.sinks_part import SinksPart

PAUSE_S: Final = 2.0
"""Before the second try, twice that before the third."""
PASSING_STATUS: Final = frozenset({408, 425, 429})
"""Refusals that may be none a moment later, as any of 500 and above."""


ENCODED: Final = "whsec_"


class Sink(StrEnum):
    WEBHOOK = "webhook"
    MAIL = "e-mail"


@dataclass(frozen=True, slots=True)
class Parcel:
    """The same thing in the form of each sink."""

    parcel_id: str
    at: datetime
    content: Mapping[str, Any]
    """As JSON."""
    file_name: str
    """Of the e-mail: the same parcel is the same file."""
    subject: str
    text: str
    reply_to: str = ""


class Missed(NamedTuple):
    """A sink that did not take it, and why: the rest of a sentence about the sink."""

    sink: Sink
    why: str


async def send(
    part: SinksPart, parcel: Parcel, *, without: Collection[Sink] = (), pause_s: float = PAUSE_S
) -> Sequence[Missed]:
    """To each sink there is, but for those that have it already."""
    missed = []
    if part.webhook and Sink.WEBHOOK not in without and (why := await _post(part, parcel, pause_s=pause_s)):
        missed.append(Missed(Sink.WEBHOOK, why))
    if part.mail_folder and Sink.MAIL not in without:
        try:
            await asyncio.to_thread(_drop, part, parcel)
        except OSError as error:
            missed.append(Missed(Sink.MAIL, f"cannot be left in {part.mail_folder}: {error.strerror or error}"))
    return missed


def sinks_of(part: SinksPart) -> frozenset[Sink]:
    named = {Sink.WEBHOOK: part.webhook, Sink.MAIL: part.mail_folder}
    return frozenset(sink for sink, where in named.items() if where)


def sign(parcel_id: str, *, sent_at_s: int, body: bytes, key: bytes) -> str:
    """`webhook-signature` of Standard Webhooks, version 1: HMAC-SHA256 over id, time and body."""
    signed = f"{parcel_id}.{sent_at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def read_key(variable: str) -> bytes:
    """Empty where no variable is named. What begins with `whsec_` is base64 behind it; any other key counts as it
    stands. Raises ValueError."""
    if not variable:
        return b""
    key = os.environ.get(variable, "")
    if not key:
        raise ValueError(f"the environment variable {variable}, which is to hold its key, is not set")
    if not key.startswith(ENCODED):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix(ENCODED), validate=True)
    except ValueError:
        raise ValueError(f"the key in the environment variable {variable} is no base64 behind {ENCODED}") from None


async def _post(part: SinksPart, parcel: Parcel, *, pause_s: float) -> str | None:
    """Why it was not taken by the last try; None where it was."""
    try:
        key = read_key(part.key_variable)
    except ValueError as error:
        return f"was not asked: {error}"
    body = json.dumps(parcel.content, ensure_ascii=False).encode()
    why: str | None = None
    async with httpx.AsyncClient(timeout=part.timeout_s, follow_redirects=False) as http:
        for number in range(part.tries):
            if number:
                await asyncio.sleep(pause_s * 2 ** (number - 1))
            try:
                # httpx counts from byte to byte: an answer that trickles would never end.
                async with asyncio.timeout(part.timeout_s):
                    headers = _headers(parcel.parcel_id, body, key=key)
                    status = (await http.post(part.webhook, content=body, headers=headers)).status_code
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                why = f"did not answer ({type(error).__name__} after {number + 1} tries)"
                continue
            if status < 300:
                return None
            why = f"answered {status}"
            if status < 500 and status not in PASSING_STATUS:
                break
    return why


def _headers(parcel_id: str, body: bytes, *, key: bytes) -> dict[str, str]:
    sent_at_s = int(time.time())
    named = {"content-type": "application/json", "webhook-id": parcel_id, "webhook-timestamp": str(sent_at_s)}
    return named | ({"webhook-signature": sign(parcel_id, sent_at_s=sent_at_s, body=body, key=key)} if key else {})


def _drop(part: SinksPart, parcel: Parcel) -> None:
    """Raises OSError."""
    mail = EmailMessage()
    mail["Subject"] = parcel.subject
    mail["From"], mail["To"] = part.mail_from, part.mail_to
    if parcel.reply_to:
        mail["Reply-To"] = parcel.reply_to
    mail["Date"] = format_datetime(parcel.at)
    mail["Message-ID"] = f"<{parcel.parcel_id}@nightschool.invalid>"
    mail.set_content(parcel.text)
    write_atomic(Path(part.mail_folder) / parcel.file_name, mail.as_bytes())
