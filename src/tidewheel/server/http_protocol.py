"""uvicorn's HTTP protocol over llhttp with the bounds that it lacks: on the size of a head, on a client's slowness.

`__main__` runs the control plane with it. uvicorn's own protocol with bounded heads is h11, which is written in Python
and costs 100 microseconds a request more. What is added here is counted per piece of received data: for a request that
comes in one piece it is a handful of additions and no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidewheel.base.wire import to_json

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
PACE_BYTES = 1024


class BoundedProtocol(HttpToolsProtocol):
    """One client's connection. A client that goes beyond a bound gets a 4xx and is hung up on."""

    patience_s: ClassVar[float] = 30.0
    """How long a whole head may take, and each `PACE_BYTES` of a body."""

    _unread_bytes = 0  # since the parser last got on: an endless header, trailer or chunk extension shows nowhere else
    _head_bytes = 0
    _body_bytes = 0  # since the last look
    _in_head = _in_message = False
    _declined = _resuming = False  # an upgrade: llhttp stops at it before the body, which another parser reads
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch = self.loop.call_later(self.patience_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unread_bytes += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._unread_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not self._in_message:
            self._stop_watching()
        elif self._watch is None:
            self._watch = self.loop.call_later(self.patience_s, self._look)

    def on_message_begin(self) -> None:
        if self._resuming:
            return
        super().on_message_begin()
        self._head_bytes = self._body_bytes = 0
        self._in_head = self._in_message = True

    def on_url(self, url: bytes) -> None:
        if self._resuming:
            return
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer's, which must not change the request that has begun, or a repeated one
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._resuming:
            return
        self._in_head = False
        self._unread_bytes = 0
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        self._body_bytes += len(body)
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        if self.parser.should_upgrade() and _framing(self.headers) and not self._resuming:
            self._declined = True
            return
        self._in_message = self._resuming = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            if not self.transport.is_closing():
                self._decline_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Answer as if no upgrade had been offered, as RFC 9110 7.8 lets a server, and hang up after that."""
        self.cycle.keep_alive = False
        self.parser = httptools.HttpRequestParser(self)
        if self._declined:
            self._declined, self._resuming = False, True
            self._feed(b"POST / HTTP/1.1\r\n" + _framing(self.headers) + b"\r\n" + rest)

    def _look(self) -> None:
        """Hang up on a client that has sent too little since the last look, unless the server would not read it."""
        self._watch = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or (not self._in_head and self._body_bytes >= PACE_BYTES):
            self._body_bytes = 0
            self._watch = self.loop.call_later(self.patience_s, self._look)
        elif self._in_message:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer in the application's place, unless an answer is under way, and hang up."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_refusal(status))
        self.transport.close()


def _framing(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The headers that say how long the body is; none for a request without one."""
    framing = {b"content-length", b"transfer-encoding"}
    return b"".join(b"%b: %b\r\n" % header for header in headers if header[0] in framing and header[1] != b"0")


def _refusal(status: HTTPStatus) -> bytes:
    told = {
        "code": "invalid_input",
        "message": f"{status.phrase}: this is not a request that can be answered.",
        "where": "head" if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else "request",
        "fix": f"Send HTTP/1.1 with a head of up to {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers, without pauses.",
    }
    body = to_json({"error": told})
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
