"""HTTP/1.1 over one connection: bytes in, `Exchange`s out to the application, answers back in order.

llhttp (httptools) parses strictly; this file adds what a server owes: limits on head and body, a bound on what all
bodies take together, Host, Expect, pipelining, keep-alive, HEAD, upgrades declined, back-pressure, and a look from
`sweep` at who is too slow. It knows nothing of models. A handler may answer at once or later; a client gets its answers
in the order of its requests either way.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import httptools

from tidewheel.base.errors import InvalidInput, TooLarge
from tidewheel.serving.worker.content_codings import ACCEPTED_CODINGS, decoded, is_known_coding
from tidewheel.serving.worker.http_answers import JSON, RETRY, Heads, ending_of, error_body
from tidewheel.serving.worker.intake import Intake

_KEEP = ending_of(True, False)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_URL_BYTES = 8 * 1024
_MAX_HEADERS = 100
_MAX_QUEUE = 1000
_LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may cost."""

    max_body_bytes: int = 16 * 2**20
    max_head_bytes: int = 64 * 1024
    max_connections: int = 10_000
    idle_timeout_s: float = 75.0
    request_timeout_s: float = 30.0
    """From a request's first byte to its last: a client that trickles is cut off."""
    write_timeout_s: float = 30.0
    """How long a client may leave its answers unread."""


class Handler(Protocol):
    """What stands behind the protocol."""

    def __call__(self, exchange: Exchange) -> None:
        """Answer an exchange, now or later. An exception becomes a 500 and is printed."""


class Exchange:
    """One request and its answer."""

    __slots__ = ("_connection", "body", "bytes_out", "headers", "http_10", "keep_alive", "method", "url")

    def __init__(
        self,
        connection: Connection,
        method: bytes,
        url: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        keep_alive: bool,
        http_10: bool,
    ) -> None:
        self._connection = connection
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.http_10 = http_10
        self.bytes_out: bytes | None = None

    def answer(self, status: int, body: bytes, content_type: bytes = JSON, extra: bytes = b"") -> None:
        """Answer with a body; `extra` is further headers, each with its line end."""
        connection = self._connection
        connection.server.intake.held_bytes -= len(self.body)
        self.body = b""
        if connection.server.draining:
            self.keep_alive = False
        plain = self.keep_alive and not self.http_10 and not extra
        ending = _KEEP if plain else ending_of(self.keep_alive, self.http_10, extra)
        self.bytes_out = connection.server.heads.answer(status, body, content_type, ending, self.method != b"HEAD")
        connection.server.count_answer(status)
        connection.answered()

    def gone(self) -> bool:
        """Whether the client has closed the connection, so that nobody reads the answer."""
        return self._connection.lost

    def refuse(self, status: int, message: str, extra: bytes = b"") -> None:
        """Answer with a JSON error."""
        self.answer(status, error_body(message), JSON, extra)


@dataclass(slots=True)
class HttpServer:
    """What the connections of a worker share. `tick` counts sweeps and is their clock."""

    handler: Handler
    limits: Limits
    count_answer: Callable[[int], None]
    tick_s: float = 0.25
    tick: int = 0
    draining: bool = False
    in_flight: int = 0
    intake: Intake = field(default_factory=Intake)
    heads: Heads = field(default_factory=Heads)
    connections: set[Connection] = field(default_factory=set)

    def sweep(self) -> None:
        """Every `tick_s`: renew the date and cut off who is too slow."""
        self.tick += 1
        self.heads.renew()
        for connection in list(self.connections):
            connection.look(self.tick * self.tick_s)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.lost = False
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._out: list[bytes] = []
        self._feeding = self._eof = False
        self._deaf = False  # no further request is taken from this connection
        self._closing = self._lingering = False
        self._in_message = self._in_head = self._resuming = self._upgrade = False
        self._began = False  # whether what is being read begins a message
        self._since = server.tick
        self._write_paused_at = -1
        self._method = self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = self._body_bytes = 0
        self._body: list[bytes] = []
        self._shed = False  # the body being read is one too many: it is passed over, and its request refused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.limits.max_connections:
            self._refuse(503, "Too many connections; try again.", RETRY)
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self._deaf = self._closing = True
        self._drop_body()
        self.server.in_flight -= len(self._queue)
        self._queue.clear()
        self.server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        in_head, body_bytes, self._began = self._in_head, self._body_bytes, False
        self._feeding = True
        self._feed(data)
        self._feeding = False
        stands = self._in_head == in_head and self._body_bytes == body_bytes and not self._began
        if stands and self._in_message:  # a head or a trailer that goes on and on shows no header to count
            self._head_bytes += len(data)
            if self._head_bytes > self.server.limits.max_head_bytes:
                self._refuse(431, "The request's head is too large.")
        self._flush()

    def eof_received(self) -> bool:
        self._eof = True
        return bool(self._queue)  # answers under way are still sent

    def pause_writing(self) -> None:
        self._write_paused_at = self.server.tick
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._write_paused_at = -1
        if not self._closing:
            self._transport.resume_reading()

    def look(self, now_s: float) -> None:
        """Cut the connection off if it has been too slow; called by the sweep."""
        limits, tick_s = self.server.limits, self.server.tick_s
        waited_s = now_s - self._since * tick_s
        unread_s = now_s - self._write_paused_at * tick_s if self._write_paused_at >= 0 else 0.0
        if unread_s > limits.write_timeout_s or (self._lingering and waited_s > _LINGER_S):
            self._transport.abort()
        elif self._closing or self._queue:
            return
        elif self._in_message:
            if waited_s > limits.request_timeout_s:
                self._refuse(408, f"The request did not arrive within {limits.request_timeout_s:g} s.")
                self._flush()
        elif waited_s > limits.idle_timeout_s or (self.server.draining and waited_s > 2 * tick_s):
            self._deaf = self._closing = True
            self._transport.close()

    # The parser's callbacks, in the order of a request.

    def on_message_begin(self) -> None:
        self._in_message = self._began = True
        self._since = self.server.tick
        if not self._resuming:
            self._in_head = True
            self._url, self._headers = b"", {}
            self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        if not self._resuming:
            self._url += url
            if len(self._url) > _MAX_URL_BYTES:
                self._refuse(414, f"The address is longer than {_MAX_URL_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # a trailer, which carries nothing that we use
            return
        name = name.lower()
        headers = self._headers
        if name in headers:
            if name == b"host":
                self._refuse(400, "The request has two Host headers.")
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._deaf or self._resuming:
            return
        self._method = self._parser.get_method()
        headers = self._headers
        version = self._parser.get_http_version()
        if len(headers) > _MAX_HEADERS or sum(map(len, headers.values())) > self.server.limits.max_head_bytes:
            self._refuse(431, "The request's head is too large.")
        elif version not in ("1.1", "1.0"):
            self._refuse(505, "This server speaks HTTP/1.1.")
        elif b"host" not in headers and version == "1.1":
            self._refuse(400, "The request has no Host header.")
        elif b"content-encoding" in headers and not is_known_coding(headers[b"content-encoding"]):
            self._refuse(415, "The body is encoded in a way that is not known here.", ACCEPTED_CODINGS)
        elif b"content-length" in headers and int(headers[b"content-length"]) > self.server.limits.max_body_bytes:
            self._refuse_large_body()
        elif b"expect" in headers:
            self._meet_expectation(headers[b"expect"], version)

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._body_bytes += len(body)
        if not self._shed:
            intake = self.server.intake
            intake.held_bytes += len(body)
            self._body.append(body)
            if intake.held_bytes > intake.most_bytes and intake.is_full(self._body_bytes):
                self._drop_body(shed=True)
        if self._body_bytes > self.server.limits.max_body_bytes:
            self._refuse_large_body()

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        parser = self._parser
        if not self._resuming and parser.should_upgrade() and self._has_body():
            self._upgrade = True  # llhttp stops before the body; `_feed` goes on behind the declined upgrade
            return
        self._in_message = self._resuming = False
        self._since = self.server.tick
        http_10 = parser.get_http_version() == "1.0"
        keep_alive = parser.should_keep_alive() or parser.should_upgrade()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if b"content-encoding" in self._headers and not self._shed:
            try:
                body = self._decode(body)
            except InvalidInput as error:
                self._refuse(400, str(error))
                return
            except TooLarge:
                self._refuse_large_body()
                return
        self._deaf = not keep_alive
        shed, self._shed, self._body, self._body_bytes = self._shed, False, [], 0
        exchange = Exchange(self, self._method, self._url, self._headers, body, keep_alive, http_10)
        self._queue.append(exchange)
        self.server.in_flight += 1
        if shed:
            exchange.refuse(429, str(self.server.intake.refusal()), RETRY)
        else:
            self._handle(exchange)
        if len(self._queue) > _MAX_QUEUE:
            self._refuse(429, "Too many requests wait on this connection.")

    # What follows from it.

    def answered(self) -> None:
        """An exchange of this connection has its answer: send what is next in order."""
        queue = self._queue
        while queue and (answer := queue[0].bytes_out) is not None:
            keep_alive = queue.popleft().keep_alive
            self.server.in_flight -= 1
            self._out.append(answer)
            if not keep_alive:
                self._closing = True
                self.server.in_flight -= len(queue)
                queue.clear()
        if not self._feeding:
            self._flush()

    def _handle(self, exchange: Exchange) -> None:
        try:
            self.server.handler(exchange)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            if exchange.bytes_out is None:
                exchange.refuse(500, "The server failed; its log says how.")

    def _meet_expectation(self, expected: bytes, version: str) -> None:
        """Ask for the body of a client that waits to be asked for it, if there is room."""
        if expected.lower() != b"100-continue":
            self._refuse(417, "The only expectation that this server meets is 100-continue.")
        elif self.server.intake.is_full(0, int(self._headers.get(b"content-length", 0))):
            self._refuse(429, str(self.server.intake.refusal()), RETRY)
        elif not self._queue and version == "1.1":
            self._out.append(_CONTINUE)

    def _decode(self, body: bytes) -> bytes:
        """A body as it was before it was encoded, which is what is held from now on; empty if that is too much."""
        body = decoded(body, self._headers[b"content-encoding"], self.server.limits.max_body_bytes)
        intake = self.server.intake
        intake.held_bytes += len(body) - self._body_bytes
        self._body_bytes = len(body)
        if intake.is_full(self._body_bytes):
            self._drop_body(shed=True)
            return b""
        return body

    def _drop_body(self, *, shed: bool = False) -> None:
        """Hold what has been read of a body no longer; with `shed`, nor what still comes of it, which is counted."""
        if not self._shed:
            self.server.intake.held_bytes -= self._body_bytes
        self._body, self._shed = [], shed
        if not shed:
            self._body_bytes = 0

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            if not self._deaf:
                self._decline_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(400, f"This is not HTTP/1.1: {error}.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, as RFC 9110 7.8 lets a server, with the body that llhttp left unparsed if there is one."""
        self._parser = httptools.HttpRequestParser(self)
        if self._upgrade:
            self._upgrade, self._resuming = False, True
            length = self._headers.get(b"content-length")
            framing = b"Content-Length: " + length if length is not None else b"Transfer-Encoding: chunked"
            rest = b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + rest
        if rest:
            self._feed(rest)

    def _has_body(self) -> bool:
        return b"transfer-encoding" in self._headers or self._headers.get(b"content-length", b"0").strip(b"0") != b""

    def _refuse_large_body(self) -> None:
        self._refuse(413, f"The body is larger than {self.server.limits.max_body_bytes} bytes.")

    def _refuse(self, status: int, message: str, extra: bytes = b"") -> None:
        """Answer an error behind whatever is still to be answered, and close: what follows cannot be trusted."""
        if self._deaf:
            return
        self._deaf = self._lingering = True
        self._drop_body()
        exchange = Exchange(self, b"", b"", {}, b"", False, False)
        self._queue.append(exchange)
        self.server.in_flight += 1
        exchange.refuse(status, message, extra)
        self._in_message = self._in_head = False

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out) if len(self._out) > 1 else self._out[0])
            self._out.clear()
        if self._closing and self._lingering:
            # Closing on unread bytes would reset the connection and take the refusal with it.
            if not self._eof and self._transport.can_write_eof():
                self._since = self.server.tick
                self._transport.write_eof()
        elif self._closing or (self._eof and not self._queue):
            self._transport.close()
