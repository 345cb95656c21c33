"""A small HTTP client that keeps its connection: one socket, one request at a time, the same bytes to both servers.

Used by the benchmarks because a client library costs more than what is measured. It acknowledges what it receives at
once: see `_receive`.
"""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

_TIMEOUT_S = 300


class KeepAlive:
    """A connection to one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        at = urlsplit(url)
        self._host = f"{at.hostname}:{at.port}"
        self._socket = socket.create_connection((at.hostname, at.port), timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def get(self, path: str, **query: Any) -> Any:
        """The JSON that a GET answers."""
        return json.loads(self.send("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path))

    def post(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        """The JSON that a POST answers."""
        return json.loads(self.send(method, path, json.dumps(body).encode()) or b"{}")

    def send(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """One exchange; the body of the answer.

        Raises:
            RuntimeError: if the status is not 2xx.
        """
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if len(body) < 1 << 16:
            self._socket.sendall(head.encode() + body)
        else:
            self._socket.sendall(head.encode())
            self._socket.sendall(body)
        status, answer = self._answer()
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:500]!r}")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> KeepAlive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> tuple[int, bytes]:
        head = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "content-length" in headers:
            return status, self._exactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return status, self._chunks()
        return status, b""

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            pieces.append(self._exactly(size))
            self._exactly(2)
        self._until(b"\r\n")
        return b"".join(pieces)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += self._receive()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        pieces, have = [self._buffer], len(self._buffer)
        while have < size:
            pieces.append(self._receive())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self._buffer = whole[size:]
        return whole[:size]

    def _receive(self) -> bytes:
        # A server whose sockets lack TCP_NODELAY (uvicorn's with several workers) sends its body when the head is
        # acknowledged, which a kernel delays by 40 ms unless told not to. That is no cost of the server's code.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server hung up")
        return data
