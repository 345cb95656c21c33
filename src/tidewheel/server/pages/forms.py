"""A form that a page sent: read only if it came from a page of this very server, in the name of who is signed in.

A cookie alone never makes a change, since another site's form may carry it; a form of ours says where it comes from.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams

from tidewheel.base.errors import InvalidInput, NotAllowed
from tidewheel.server.guard import COOKIE, Caller, caller_of

_MOST_FIELDS = 300


async def form_of(request: Request) -> tuple[Caller, QueryParams]:
    """Who sent a form, who must be allowed to change things, and its fields.

    Raises:
        NotAllowed: if another site's page sent it, or a viewer.
    """
    _refuse_other_sites(request)
    caller = await run_in_threadpool(_caller, request)
    if caller.role == "viewer":
        raise NotAllowed(f"{caller.name} is a viewer; this needs a developer.", fix="Ask an admin for a token.")
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return caller, QueryParams(parse_qsl(text, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise InvalidInput("The form has too many fields.", fix=f"Send at most {_MOST_FIELDS}.") from None


def _caller(request: Request) -> Caller:
    token = request.cookies.get(COOKIE)
    if token and "authorization" not in request.headers:
        principal = request.app.state.platform.governance.authenticate(token)
        return Caller(principal.name, principal.role)
    return caller_of(request)


def _refuse_other_sites(request: Request) -> None:
    """Browsers say where a form comes from, in `Sec-Fetch-Site` or in `Origin`; without either it is no page's form."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "-")
    here = site == "same-origin" if site else origin in (f"http://{host}", f"https://{host}")
    if not here:
        raise NotAllowed("This form was not sent by a page of this server.", fix="Open the page itself and try again.")
