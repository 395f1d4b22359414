"""The console's own front door: a form, the operator's password, a signed session cookie.

Wrong passwords are counted by address and soon have to wait. Does not know what stands behind the door.
"""

import asyncio
import html
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from nightschool.errors import TooManyRequests
from serve.api.bodies import read_bytes
from serve.gate import SECURITY_HEADERS, SignedCookie
from serve.pace import Pace
from serve.secrets import Secrets

SESSION_S: Final = 12 * 3600
ATTEMPTS: Final = 5
ATTEMPTS_WINDOW_S: Final = 15 * 60
MAX_FORM_BYTES: Final = 4_000
OPERATOR: Final = "operator"
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
input:focus-visible, button:focus-visible {{ outline:3px solid #579f7d; outline-offset:2px; }}
.error {{ color:var(--red); margin:12px 0 0; }}
</style>
</head>
<body><main>
<h1>Nightschool console</h1>
<p>For the operator of this installation.</p>
<form method="post" action="{action}">
<label for="password">Operator password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
{error}<button type="submit">Sign in</button>
</form>
</main></body></html>"""


def session_cookie(secrets: Secrets) -> SignedCookie:
    return SignedCookie("ns_console", secrets.cookie_key, "/console", SESSION_S)


def login_router(secrets: Secrets) -> APIRouter:
    """GET and POST /console/login, POST /console/logout."""
    router = APIRouter(include_in_schema=False)
    cookie = session_cookie(secrets)
    wrong = Pace(ATTEMPTS, window_s=ATTEMPTS_WINDOW_S)
    # Each check takes memory and a core on purpose; more than two at once would starve the answers.
    checking = asyncio.Semaphore(2)

    @router.get(LOGIN)
    async def show(request: Request) -> Response:
        if cookie.read(request.scope):
            return RedirectResponse(HOME, status_code=303)
        return _form()

    @router.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await read_bytes(request, max_bytes=MAX_FORM_BYTES)).decode(errors="replace"))
        password = form.get("password", [""])[0]
        address = request.client.host if request.client else "unknown"
        try:
            wrong.check(address)
        except TooManyRequests as error:
            return _form(f"Too many wrong passwords. {error.remedy}", status_code=429)
        async with checking:
            is_right = await asyncio.to_thread(secrets.check_password, password)
        if not is_right:
            wrong.spend(address)
            return _form("That is not the password. It was shown once, when the server first started.", status_code=401)
        answer = RedirectResponse(HOME, status_code=303)
        answer.headers["set-cookie"] = cookie.header(OPERATOR, is_secure=request.url.scheme == "https")
        return answer

    @router.post("/console/logout")
    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse(LOGIN, status_code=303)
        answer.headers["set-cookie"] = cookie.removal(is_secure=request.url.scheme == "https")
        return answer

    return router


def _form(error: str = "", *, status_code: int = 200) -> HTMLResponse:
    shown = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    headers = {**SECURITY_HEADERS, "cache-control": "no-store"}
    return HTMLResponse(FORM.format(action=LOGIN, error=shown), status_code=status_code, headers=headers)
