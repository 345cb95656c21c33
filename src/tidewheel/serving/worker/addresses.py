"""Which handler answers which method and path: the worker's table of contents.

Called once a request. Fixed paths are looked up; those that name a model, as `/v2/models/…` does, are taken apart.
Nothing here knows what handlers do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote_to_bytes

import httptools

from tidewheel.serving.worker.http_protocol import Exchange

Fixed = Callable[[Exchange], None]
ModelHandler = Callable[[Exchange, str, str | None], None]
_MAX_KNOWN = 1024
_METHODS = {b"GET": b"GET", b"HEAD": b"GET", b"POST": b"POST"}


class Addresses:
    """Dispatches exchanges. `fixed` is keyed by (method, path); `models` by what comes before a model's name in the
    path, and then by (method, what follows the name); `unoffered` says of beginnings of paths why nothing is there."""

    def __init__(
        self,
        fixed: dict[tuple[bytes, bytes], Fixed],
        models: dict[bytes, dict[tuple[bytes, bytes], ModelHandler]],
        unoffered: Mapping[bytes, str] | None = None,
    ) -> None:
        self._fixed = fixed
        self._models = models
        self._unoffered = unoffered or {}
        self._known: dict[tuple[bytes, bytes], tuple[ModelHandler, str, str | None]] = {}

    def __call__(self, exchange: Exchange) -> None:
        known = self._known.get((exchange.method, exchange.url))
        if known is not None:  # the usual case: an address that was taken apart before
            handler, name, version = known
            handler(exchange, name, version)
            return
        self._dispatch(exchange)

    def _dispatch(self, exchange: Exchange) -> None:
        path = _path_of(exchange.url)
        method = _METHODS.get(exchange.method, exchange.method)
        handler = self._fixed.get((method, path))
        if handler is not None:
            handler(exchange)
            return
        for prefix, handlers in self._models.items():
            if path.startswith(prefix):
                self._to_model(exchange, method, path[len(prefix) :], handlers)
                return
        why = next((why for beginning, why in self._unoffered.items() if path.startswith(beginning)), "")
        self._refuse(exchange, [key for key, each in self._fixed if each == path], why)

    def _to_model(
        self, exchange: Exchange, method: bytes, rest: bytes, handlers: dict[tuple[bytes, bytes], ModelHandler]
    ) -> None:
        parts = rest.split(b"/")
        version: bytes | None = None
        if len(parts) >= 3 and parts[1] == b"versions":
            version = parts[2]
            ending = b"/".join(parts[3:])
        else:
            ending = b"/".join(parts[1:])
        handler = handlers.get((method, ending))
        if handler is None or not parts[0]:
            methods = [key for key, each in handlers if each == ending and parts[0]]
            self._refuse(exchange, methods)
            return
        try:
            found = handler, _text(parts[0]), None if version is None else _text(version)
        except UnicodeDecodeError:
            exchange.refuse(400, "The path is not UTF-8.")
            return
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[exchange.method, exchange.url] = found
        handler(exchange, *found[1:])

    def _refuse(self, exchange: Exchange, methods: list[bytes], why: str = "") -> None:
        if not methods:
            exchange.refuse(404, f"There is nothing at this address. {why}".rstrip())
        else:
            allowed = b", ".join(sorted({*methods, *([b"HEAD"] if b"GET" in methods else [])}))
            exchange.refuse(405, f"This address takes {allowed.decode()}.", b"allow: " + allowed + b"\r\n")


def _path_of(url: bytes) -> bytes:
    """The path of a request target, which may be a whole address (RFC 9112 3.2.2)."""
    if not url.startswith(b"/"):
        try:
            return httptools.parse_url(url).path or b"/"
        except httptools.HttpParserInvalidURLError:
            return url
    return url.partition(b"?")[0] if b"?" in url else url


def _text(part: bytes) -> str:
    return (unquote_to_bytes(part) if b"%" in part else part).decode()
