"""The console's own front door: a form, an operator's name and password, a signed session cookie.

A try is counted before the password is looked at, so that many at once are no more than many in a row. It is counted
by address, or by browser where one signed in before: strangers behind the owner's proxy do not lock the owner out. Who
came in stands in the audit, and who was sent away, up to a bound. Does not know what stands behind the door.
"""

import asyncio
import html
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from collect.store import Store
from nightschool.errors import TooManyRequests
from nightschool.records import new_id, utc_now
from serve.api.bodies import read_bytes
from serve.audited import note
from serve.console.session import SessionCookie, user_of
from serve.crowd import address_of
from serve.gate import SECURITY_HEADERS, SignedCookie
from serve.pace import Pace
from serve.secrets import OPERATOR, Secrets

KNOWN_S: Final = 180 * 24 * 3600
"""How long a browser that signed in is counted by itself."""
TRIES: Final = 5
TRIES_WINDOW_S: Final = 60
"""The longest that anybody has to wait."""
MAX_WAITING: Final = 8
"""Tries of unknown browsers that may wait for one another."""
NOTED_FAILURES: Final = 20
NOTED_WINDOW_S: Final = 3600
"""So many wrong passwords an hour stand in the audit; a guesser must not fill the record."""
MAX_FORM_BYTES: Final = 4_000
HOME: Final = "/console/"
LOGIN: Final = "/console/login"

FORM: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Nightschool</title>
<style>
:root {{ color-scheme: light dark; --paper:#f7f8f5; --card:#fff; --ink:#161d19; --soft:#4f5b53; --line:#c2cac2;
  --green:#236b4c; --red:#a3261b; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper:#0f1512; --card:#161d19; --ink:#e6ece8; --soft:#a3b0a8; --line:#38443d; --red:#ff9d92; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin:0; min-height:100dvh; display:grid; place-items:center; padding:16px; background:var(--paper);
  color:var(--ink); font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif; }}
main {{ width:100%; max-width:380px; background:var(--card); border:1px solid var(--line); border-radius:16px;
  padding:32px; }}
h1 {{ margin:0 0 4px; font-size:1.35rem; letter-spacing:-.01em; }}
p {{ margin:0 0 20px; color:var(--soft); }}
label {{ display:block; margin-bottom:6px; font-weight:600; font-size:.92rem; }}
input, button {{ width:100%; min-height:44px; font:inherit; border-radius:10px; }}
input {{ padding:0 12px; border:1px solid var(--line); background:var(--paper); color:var(--ink); }}
button {{ margin-top:16px; border:0; background:var(--green); color:#fff; font-weight:600; cursor:pointer; }}
#name {{ margin-bottom:16px; }}
input:focus-visible, button:focus-visible {{ outline:3px solid #579f7d; outline-offset:2px; }}
.error {{ color:var(--red); margin:12px 0 0; }}
</style>
</head>
<body><main>
<h1>Nightschool console</h1>
<p>For the operators of this installation.</p>
<form method="post" action="login">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" value="{name}" maxlength="60" required>
<label for="password">Operator password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
{error}<button type="submit">Sign in</button>
</form>
</main></body></html>"""


def login_router(secrets: Secrets, *, store: Store) -> APIRouter:
    """GET and POST /console/login, POST /console/logout."""
    router = APIRouter(include_in_schema=False)
    cookie = SessionCookie(secrets)
    known = SignedCookie("ns_known", secrets.session_key, LOGIN, KNOWN_S)
    door = _Door(secrets, store)

    @router.get(LOGIN)
    async def show(request: Request) -> Response:
        if cookie.read(request.scope):
            return RedirectResponse(HOME, status_code=303)
        return _form()

    @router.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await read_bytes(request, max_bytes=MAX_FORM_BYTES)).decode(errors="replace"))
        guest = _Guest(address_of(request.scope), known.read(request.scope))
        name, password = (form.get(field, [given])[0] for field, given in (("name", OPERATOR), ("password", "")))
        try:
            found = await door.find_operator(name.strip(), password, guest=guest)
        except TooManyRequests as error:
            return _form(f"Too many tries. {error.remedy}", name=name, status_code=429, wait_s=error.retry_after_s)
        if found is None:
            problem = "That is not the password. `nightschool password` makes a new one."
            return _form(problem, name=name, status_code=401)
        answer = RedirectResponse(HOME, status_code=303)
        is_secure = request.url.scheme == "https"
        answer.headers.append("set-cookie", cookie.header(user_of(found), is_secure=is_secure))
        answer.headers.append("set-cookie", known.header(guest.browser or new_id(), is_secure=is_secure))
        return answer

    @router.post("/console/logout")
    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse(LOGIN, status_code=303)
        answer.headers["set-cookie"] = cookie.removal(is_secure=request.url.scheme == "https")
        return answer

    return router


class _Guest(NamedTuple):
    address: str
    browser: str | None
    """Set where it signed in before."""


class _Door:
    """Looks at passwords, a few at a time."""

    def __init__(self, secrets: Secrets, store: Store) -> None:
        self._secrets = secrets
        self._store = store
        self._tries = Pace(TRIES, window_s=TRIES_WINDOW_S)
        self._noted = Pace(NOTED_FAILURES, window_s=NOTED_WINDOW_S)
        # Each look takes memory and a core on purpose; more than two at once would starve the answers.
        self._looking = asyncio.Semaphore(2)
        self._waiting = 0

    async def find_operator(self, name: str, password: str, *, guest: _Guest) -> str | None:
        """The operator of that name whose password it is, as the name is written. Raises TooManyRequests."""
        if guest.browser is None and self._waiting >= MAX_WAITING:
            raise TooManyRequests(
                "many sign in at once", subject="console", remedy="Try again in 5 s.", retry_after_s=5
            )
        who = guest.browser or guest.address
        self._tries.spend(who)
        self._waiting += 1
        try:
            async with self._looking:
                known = self._secrets.find_name(name)
                check = partial(self._secrets.check_password, password, name=name if known is None else known)
                is_right = await asyncio.to_thread(check)
        finally:
            self._waiting -= 1
        if is_right:
            self._tries.give_back(who)
        found = known if is_right else None
        await self._note(guest, found)
        return found

    async def _note(self, guest: _Guest, found: str | None) -> None:
        if found is None:
            try:
                self._noted.spend("everybody")
            except TooManyRequests:
                return
        actor, action = "somebody", "was refused by the console"
        if found is not None:
            actor, action = f"{found} (console)", "signed in"
        await self._store.write(partial(note, actor=actor, action=action, subject=guest.address, at=utc_now()))


def _form(error: str = "", *, name: str = OPERATOR, status_code: int = 200, wait_s: int | None = None) -> HTMLResponse:
    shown = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    headers = {**SECURITY_HEADERS, "cache-control": "no-store"}
    if wait_s:
        headers["retry-after"] = str(wait_s)
    return HTMLResponse(FORM.format(error=shown, name=html.escape(name)), status_code=status_code, headers=headers)
