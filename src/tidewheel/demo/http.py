"""A small HTTP/1.1 client for traffic generators: keep-alive connections, many requests at once, failures counted.

Written for load, not for generality: a general client costs several times the server's own work per request, and the
demonstrations share two cores with the servers that they call.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Tally:
    """What became of the requests: how many were sent, answered with 200, and not; and how long answers took."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    first_failure: str = ""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))


class Connections:
    """A fixed number of connections to one address. `post` is fair between them; a broken one is made anew."""

    def __init__(self, url: str, count: int = 8) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._free: asyncio.Queue[_Connection | None] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(None)
        self.tally = Tally()

    async def post(self, path: str, body: bytes) -> bytes | None:
        """The answer's body, or None if there was none or it was not a 200 (which is counted)."""
        self.tally.sent += 1
        connection = await self._free.get()
        begun = time.perf_counter()
        try:
            if connection is None or connection.closed:
                connection = await self._connect()
            status, answer = await asyncio.wait_for(connection.ask(_request(self._host, path, body)), _ANSWER_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            self._count_failure(f"{type(error).__name__}: {error}")
            if connection is not None:
                connection.close()
            connection = None
            return None
        finally:
            self._free.put_nowait(connection)
        if status != 200:
            self._count_failure(f"{status}: {answer[:200]!r}")
            return None
        self.tally.answered += 1
        self.tally.latencies_ms.append((time.perf_counter() - begun) * 1e3)
        return answer

    async def post_all(self, path: str, bodies: Sequence[bytes]) -> list[bytes | None]:
        """The answers to many requests, sent as connections come free, in the order of the requests."""
        return list(await asyncio.gather(*(self.post(path, body) for body in bodies)))

    async def close(self) -> None:
        """Close every connection."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection.close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        opened = loop.create_connection(_Connection, self._host, self._port)
        _, connection = await asyncio.wait_for(opened, _CONNECT_TIMEOUT_S)
        return connection

    def _count_failure(self, what: str) -> None:
        self.tally.failed += 1
        self.tally.first_failure = self.tally.first_failure or what


class _Connection(asyncio.Protocol):
    """One request at a time on one socket."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio's

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        self.closed = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.connection_lost(OSError(f"not HTTP: {error}"))
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("closed before the answer"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = self._parser.get_status_code(), b"".join(self._body)
        keep = self._parser.should_keep_alive()
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        if not keep:
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)


def _request(host: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
