"""Who may come in. Each door names the least role; `needs(role)` is the check in front of it.

While no token exists and the bind is loopback, whoever reaches the machine is its owner ("local"). As soon as a token
exists, every door asks for one. A browser that was signed in by cookie may only look: changes need the token itself,
so that no other site can make them in the reader's name. Basic credentials a browser remembers and sends by itself, so
with these no page of another site may change anything.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from fastapi import Request

from tidewheel.base.doors import Role
from tidewheel.base.errors import InvalidInput, NotAllowed, Unauthenticated

if TYPE_CHECKING:
    from tidewheel.app import Platform

COOKIE = "tidewheel_token"
_ROLES: tuple[Role, ...] = get_args(Role)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Caller:
    """In whose name a request acts."""

    name: str
    role: Role


_OWNER = Caller("local", "admin")


def needs(role: Role) -> Callable[[Request], None]:
    """A dependency that lets a request pass if its caller has at least `role`."""

    def check(request: Request) -> None:
        request.state.principal = admit(request, role)

    return check


def admit(request: Request, role: Role) -> Caller:
    """The caller of a request, who has at least `role`."""
    caller = caller_of(request)
    if _ROLES.index(caller.role) < _ROLES.index(role):
        raise NotAllowed(
            f"{caller.name} is a {caller.role}; this needs a {role}.",
            where=f"{request.method} {request.url.path}",
            fix=f"Ask an admin for a token: `tidewheel tokens create NAME --role {role}`.",
        )
    return caller


def caller_of(request: Request) -> Caller:
    """The caller that a request's token names, or the machine's owner where no tokens are in force."""
    platform: Platform = request.app.state.platform
    if not request.app.state.needs_token and not platform.governance.has_tokens():
        _refuse_other_sites(request)
        return _OWNER
    token = _token(request)
    if not token:
        raise Unauthenticated("This server asks for a token.", fix="Send the header `Authorization: Bearer TOKEN`.")
    principal = platform.governance.authenticate(token)
    return Caller(principal.name, principal.role)


def refuse_open_bind(platform: Platform, host: str) -> None:
    """Stop a start that would let strangers in.

    Raises:
        InvalidInput: if `host` is not loopback and no token exists yet.
    """
    if not is_loopback(host) and not platform.governance.has_tokens():
        raise InvalidInput(
            f"The control plane will not listen on {host} while anyone could use it without a token.",
            fix="Make one first (`tidewheel tokens create NAME --role admin`), or bind 127.0.0.1.",
            where="server.host",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host.strip("[]") in _LOOPBACK


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if scheme.lower() == "basic":  # as MLflow's clients send it: any name, and the token as the password
        _refuse_other_origins(request)
        return _password(token.strip())
    return request.cookies.get(COOKIE, "") if request.method in {"GET", "HEAD"} else ""


def _refuse_other_origins(request: Request) -> None:
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin and request.method not in {"GET", "HEAD"} and origin not in (f"http://{host}", f"https://{host}"):
        raise NotAllowed(
            f"A page of {origin[:200]} may not change anything here with a password that a browser remembers.",
            fix="Send the header `Authorization: Bearer TOKEN`.",
        )


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _refuse_other_sites(request: Request) -> None:
    """Without tokens, the browser of the machine's owner is the way in: other sites and rebound names are refused."""
    origin = request.headers.get("origin")
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}")
        foreign = not is_loopback(host.hostname or "") or (origin and urlsplit(origin).netloc != host.netloc)
    except ValueError:
        raise InvalidInput("The Host or Origin header is not an address.", fix="Send the server's own.") from None
    if foreign:
        raise NotAllowed(
            f"Without tokens this server answers only its own machine, not {origin or host.netloc}.",
            fix="Open it at its loopback address, or create a token and send it.",
        )
