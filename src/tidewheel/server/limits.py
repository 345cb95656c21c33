"""The outermost layer of the control plane: bounds on the body, security headers, counts for `/metrics`.

Plain ASGI, so that it costs microseconds. Never keeps a body itself, and lets no traceback through: what breaks below
is logged here and answered as an error of the tree.
"""

from __future__ import annotations

import logging
import time
from collections import Counter

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidewheel.base.errors import TidewheelError, TooLarge
from tidewheel.server.answers import refusal
from tidewheel.server.mlflow import errors as mlflow_errors
from tidewheel.server.mlflow.wire import is_ours

_log = logging.getLogger("tidewheel.server")
_UPLOADS = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
_HEADERS: list[tuple[bytes, bytes]] = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


class Traffic:
    """Counts of the control plane's own requests; its event loop is the only writer."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = 0.0


class Limits:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_artifact_bytes: int, traffic: Traffic) -> None:
        self._app = app
        self._max_body = ("server.max_body_bytes", max_body_bytes)
        self._max_artifact = ("server.max_artifact_bytes", max_artifact_bytes)
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        setting, limit = self._max_artifact if _uploads(scope) else self._max_body
        exchange = _Exchange(scope, receive, send, (setting, limit), self._traffic)
        try:
            if _announced(scope) > limit:
                await exchange.refuse()
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            await exchange.fail()
        finally:
            self._traffic.seconds += time.perf_counter() - began


class _Exchange:
    """One request on its way in and its answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: tuple[str, int], traffic: Traffic) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._setting, self._limit = limit
        self._received = 0
        self._refused = self._answered = False
        self._traffic = traffic

    async def receive(self) -> Message:
        """The next piece of the body, until there is too much of it."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            await self.refuse()
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on with the security headers, unless the request has already been refused."""
        if not self._refused:
            await self._pass_on(message)

    async def fail(self) -> None:
        """Answer 500 for the application, which broke, unless it had begun to answer."""
        if not self._answered:
            await self._answer(TidewheelError("The control plane failed at this.", fix="Its log holds the traceback."))

    async def refuse(self) -> None:
        """Answer 413 in the application's place."""
        error = TooLarge(
            f"The body is larger than {self._limit} bytes.",
            fix=f"Send less, or raise {self._setting}.",
            where="body",
        )
        await self._answer(error)

    async def _answer(self, error: TidewheelError) -> None:
        self._refused = True
        response = _as_mlflow(error) if is_ours(f"/{self._scope['path'].lstrip('/')}") else refusal(error)
        await response(self._scope, self._receive, self._pass_on)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            self._traffic.requests[(self._scope["method"], message["status"])] += 1
            present = {name.lower() for name, _ in message.get("headers", [])}
            missing = [header for header in _HEADERS if header[0] not in present]
            message = {**message, "headers": [*message.get("headers", []), *missing]}
        await self._send(message)


def _as_mlflow(error: TidewheelError) -> Response:
    """The error in the shape of MLflow's protocol, which has no status of its own for a body that is too large."""
    return Response(mlflow_errors.refusal(error)[1], status_code=error.status, media_type="application/json")


def _uploads(scope: Scope) -> bool:
    """Whether the body is a file, which is written down as it comes and not held."""
    return bool(scope["method"] == "PUT" and scope["path"].startswith(_UPLOADS))


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
