"""Who may call a worker by gRPC: whoever may by HTTP, with the same token as metadata (`authorization: Bearer …`).

There is no rule about origins here, as `worker.guard` has: a web page cannot speak gRPC to a port without TLS.
"""

from __future__ import annotations

import hmac
from typing import Any

from tidewheel.base.errors import Unauthenticated
from tidewheel.base.settings import Settings


class TokenGuard:
    """Stands before every method but those that ask for health."""

    def __init__(self, settings: Settings) -> None:
        token = settings.get("serving.token", str)
        self._expected = f"Bearer {token}".encode() if token else b""

    def check(self, context: Any) -> None:
        """Let a call of grpcio's context pass.

        Raises:
            Unauthenticated: if a token is needed and the call does not carry it.
        """
        if not self._expected:
            return
        given = dict(context.invocation_metadata() or ()).get("authorization", "")
        if not hmac.compare_digest(given.encode() if isinstance(given, str) else given, self._expected):
            raise Unauthenticated("A token is needed.", fix="Send the metadata authorization: Bearer ….")
