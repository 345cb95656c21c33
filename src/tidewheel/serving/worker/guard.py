"""Who may speak to a worker: nobody from a web page of another origin, and beyond loopback only holders of the token.

A browser lets any page post to 127.0.0.1, and what is posted here becomes labels that rollouts are judged by; browsers
say where such a request comes from, other clients do not, so a request with an unexpected `Origin` is refused. The
token is one for all callers of the data plane, given as a setting: workers know no database in which roles lie.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from ipaddress import ip_address

from tidewheel.base.errors import NotAllowed
from tidewheel.base.settings import Settings
from tidewheel.serving.worker.http_protocol import Exchange, Handler

_OPEN_PATHS = (b"/v2/health/live", b"/v2/health/ready", b"/ping", b"/health")  # what probes ask


class Guard:
    """Stands before the addresses."""

    def __init__(self, inner: Handler, settings: Settings) -> None:
        self._inner = inner
        token = settings.get("serving.token", str)
        self._expected = f"Bearer {token}".encode() if token else b""
        origins = settings.get("serving.allowed_origins", str).split(",")
        self._origins = frozenset(origin.strip().encode() for origin in origins if origin.strip())

    def __call__(self, exchange: Exchange) -> None:
        headers = exchange.headers
        origin = headers.get(b"origin")
        if origin is not None and origin not in self._origins:
            exchange.refuse(403, "Pages of other origins may not call this. Set serving.allowed_origins to allow one.")
            return
        if not self._expected or exchange.url in _OPEN_PATHS or self._holds_token(headers):
            self._inner(exchange)
        else:
            exchange.refuse(401, "A token is needed: Authorization: Bearer ….", b"www-authenticate: Bearer\r\n")

    def _holds_token(self, headers: Mapping[bytes, bytes]) -> bool:
        return hmac.compare_digest(headers.get(b"authorization", b""), self._expected)


def require_token(host: str, settings: Settings) -> None:
    """Refuse to bind what others can reach unless requests must carry a token.

    Raises:
        NotAllowed: if the host is not loopback and `serving.token` is empty.
    """
    if settings.get("serving.token", str) or _is_loopback(host):
        return
    raise NotAllowed(
        f"Inference would answer anybody who reaches {host}.",
        fix="Set TIDEWHEEL_SERVING_TOKEN to a long random text, or bind 127.0.0.1.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
