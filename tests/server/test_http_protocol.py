"""Clients that send too much, too slowly or too strangely are told so and hung up on; the others are served."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send
from tests.server.listening import listening

from tidewheel.server.http_protocol import MAX_HEAD_BYTES, BoundedProtocol

HEAD = b"POST /a?b=c HTTP/1.1\r\nHost: t\r\n"


class Hasty(BoundedProtocol):
    patience_s = 0.2


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = json.dumps({"path": scope["path"], "size": size, "headers": headers}).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(echo, Hasty) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def all_of(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    pieces = []
    try:
        while piece := client.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def one_answer(client: socket.socket) -> dict[str, object]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < size:
        body += client.recv(65536)
    answer: dict[str, object] = json.loads(body)
    return answer


def send_while_heard(client: socket.socket, piece: bytes, times: int = 200) -> bytes:
    try:
        for _ in range(times):
            client.sendall(piece)
    except ConnectionError:
        pass
    return all_of(client)


def test_a_connection_serves_many_requests_pipelined_or_not(client: socket.socket) -> None:
    for _ in range(3):
        client.sendall(HEAD + b"Content-Length: 3\r\n\r\nabc")
        assert one_answer(client)["size"] == 3
    client.sendall((HEAD + b"Content-Length: 2\r\n\r\nab") * 3 + HEAD + b"Connection: close\r\n\r\n")
    assert all_of(client).count(b"HTTP/1.1 200") == 4


@pytest.mark.parametrize(
    "piece", [b"X: " + b"x" * 5000 + b"\r\n", b"x" * 5000, b"a: b\r\n"], ids=["many", "one", "tiny"]
)
def test_a_head_without_end_is_refused(client: socket.socket, piece: bytes) -> None:
    client.sendall(HEAD + b"Y: ")
    times = 2 * MAX_HEAD_BYTES // len(piece)
    answer = send_while_heard(client, piece, times)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_more_headers_than_anybody_needs_are_refused(client: socket.socket) -> None:
    client.sendall(HEAD + b"a: b\r\n" * 101 + b"\r\n")
    assert all_of(client).startswith(b"HTTP/1.1 431")


def test_a_long_address_is_refused(client: socket.socket) -> None:
    client.sendall(b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: t\r\n\r\n")
    assert all_of(client).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("tail", [b"0\r\nX: ", b"1;"], ids=["trailer", "extension"])
def test_what_follows_a_chunk_cannot_grow_without_end(client: socket.socket, tail: bytes) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + tail)
    answer = send_while_heard(client, b"x" * 5000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_a_trailer_does_not_become_a_header(client: socket.socket) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert one_answer(client)["headers"] == {"host": "t", "transfer-encoding": "chunked"}


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, HEAD + b"Content-Length: 5\r\n\r\nab"])
def test_a_client_that_falls_silent_is_hung_up_on(client: socket.socket, sent: bytes) -> None:
    client.sendall(sent)
    answer = all_of(client)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")


def test_a_large_body_is_read_whole(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 5000000\r\n\r\n")
    client.sendall(b"x" * 5_000_000)
    assert one_answer(client)["size"] == 5_000_000


@pytest.mark.parametrize(
    "body", [b"Content-Length: 2\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]
)
def test_an_offer_to_upgrade_is_answered_as_if_it_had_not_been_made(client: socket.socket, body: bytes) -> None:
    client.sendall(HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + body)
    answer = all_of(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"size": 2' in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: t\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_with_400_in_the_one_shape(client: socket.socket, sent: bytes) -> None:
    client.sendall(sent)
    head, _, body = all_of(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert set(json.loads(body)["error"]) == {"code", "message", "where", "fix"}
