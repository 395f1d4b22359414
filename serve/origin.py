"""Does a request to a page come from that page? Another site's script may not read or move anything here.

Browsers say where a request comes from (`Sec-Fetch-Site`; without TLS only `Origin`, compared with `Host`); what
is no browser says nothing and passes, since no visitor's cookie is at stake there. Does not know who the visitor is.
"""

from collections.abc import Set
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from nightschool.errors import NotAllowed, NotFound

OWN: Final = frozenset({"same-origin", "none"})
"""`none`: typed, bookmarked, opened from elsewhere than a page."""


def check_origin(headers: Headers, *, is_navigation: bool) -> None:
    """Raises NotAllowed for what another site's page asks. A link that leads here is no such thing."""
    if is_navigation and headers.get("sec-fetch-mode", "navigate") == "navigate":
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_foreign = site not in OWN
    else:
        is_foreign = origin is not None and urlsplit(origin).netloc != headers.get("host", "")
    if is_foreign:
        raise NotAllowed("comes from another site", subject="request", remedy="Open this page by its own address.")


def check_host(headers: Headers, *, hosts: Set[str]) -> None:
    """Raises NotFound where the page is asked for under a name that is not among `hosts`; an empty set takes any."""
    name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    if hosts and name not in hosts:
        raise NotFound("is not served here", subject=repr(name), remedy="Open this page by its own address.")
