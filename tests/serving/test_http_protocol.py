"""The worker's HTTP/1.1, byte by byte, over real sockets. The handler echoes; models come in other files."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvloop
from hypothesis import given, settings, strategies as st
from tests.serving.house import Client, until

from tidewheel.serving.worker.http_protocol import Connection, Exchange, HttpServer, Limits

LIMITS = Limits(
    max_body_bytes=10_000,
    max_head_bytes=4_000,
    max_connections=50,
    idle_timeout_s=0.6,
    request_timeout_s=0.3,
    write_timeout_s=0.5,
)


class Echo:
    """Answers each request with its method, address and body; `/later` after the next one; `/fail` raises."""

    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        if exchange.url == b"/later":
            self.kept.append(exchange)
            return
        if exchange.url == b"/fail":
            raise RuntimeError("on purpose")
        if exchange.url == b"/large":
            exchange.answer(200, bytes(20_000_000))
            return
        exchange.answer(200, exchange.method + b" " + exchange.url + b" " + exchange.body)
        if exchange.url == b"/release":
            while self.kept:
                self.kept.pop().answer(200, b"released")


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    started, found = threading.Event(), SimpleNamespace(statuses=[])

    async def run() -> None:
        loop = asyncio.get_running_loop()
        found.http = HttpServer(Echo(), LIMITS, found.statuses.append, tick_s=0.05)
        listener = await loop.create_server(lambda: Connection(found.http), "127.0.0.1", 0)
        found.host, found.port = listener.sockets[0].getsockname()
        found.loop, found.stop = loop, asyncio.Event()
        started.set()
        while not found.stop.is_set():
            found.http.sweep()
            await asyncio.sleep(0.05)
        listener.close()

    thread = threading.Thread(target=lambda: uvloop.run(run()))
    thread.start()
    started.wait(10)
    yield found
    found.loop.call_soon_threadsafe(found.stop.set)
    thread.join(10)


@pytest.fixture
def client(server: SimpleNamespace) -> Iterator[Client]:
    opened = Client(server)
    yield opened
    opened.close()


def raw(client: Client, data: bytes) -> int:
    client.send(data)
    return client.answer().status


def test_a_connection_serves_many_requests(client):
    for number in range(3):
        answer = client.request("POST", f"/{number}", b"body")
        assert (answer.status, answer.body) == (200, b"POST /%d body" % number)
        assert "connection" not in answer.headers
        assert answer.headers["date"].endswith("GMT")


def test_pipelined_requests_are_answered_in_order(client):
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: t\r\n\r\n" % number for number in range(200)))
    assert [client.answer().body for _ in range(200)] == [b"GET /%d " % number for number in range(200)]


def test_a_late_answer_holds_back_the_ones_behind_it(client):
    client.send(b"GET /later HTTP/1.1\r\nHost: t\r\n\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n")
    client.send(b"GET /release HTTP/1.1\r\nHost: t\r\n\r\n")
    assert [client.answer().body for _ in range(3)] == [b"released", b"GET /a ", b"GET /release "]


def test_a_request_may_come_byte_by_byte(client):
    for byte in b"POST /slowly HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc":
        client.send(bytes([byte]))
    assert client.answer().body == b"POST /slowly abc"


def test_chunked_bodies_and_their_trailers_are_read(client):
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n")
    assert client.answer().body == b"POST / abcde"
    assert client.request("GET", "/next").status == 200


def test_a_client_that_expects_is_told_to_continue(client):
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer().status == 100
    client.send(b"abc")
    assert client.answer().body == b"POST / abc"


def test_head_has_the_headers_of_get_and_no_body(client):
    head = client.request("HEAD", "/x")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(b"HEAD /x ")))
    assert client.request("GET", "/x").status == 200


def test_http_1_0_closes_unless_asked_to_stay(client, server):
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert client.answer().headers["connection"] == "keep-alive"
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    assert client.closed()


def test_connection_close_is_honoured_and_what_follows_ignored(client):
    client.send(b"GET /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    assert client.closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2711\r\n" + bytes(10_001), 413),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: x\r\n" % n for n in range(200)) + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", 415),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\nx", 417),
    ],
)
def test_what_is_not_allowed_is_refused_and_the_connection_closed(client, data, status):
    client.send(data)
    answer = client.answer()
    assert answer.status == status
    assert isinstance(answer.json["error"], str)
    assert answer.headers["connection"] == "close"
    assert client.closed()


def test_an_endless_header_is_cut_off(client):
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
    for _ in range(10):
        client.send(b"x" * 1000)
    assert client.answer().status == 431
    assert client.closed()


def test_an_endless_trailer_is_cut_off(client):
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    for _ in range(50):  # apart, as an endless one comes; the first may share a read with the head
        client.send(b"x" * 1000)
        if select.select([client.socket], [], [], 0.005)[0]:
            break
    assert client.answer().status == 431


def test_many_requests_between_two_halves_of_others_are_not_one_long_head(client):
    one = b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
    client.send(one[:10])
    client.send(one[10:] + one * 200 + one[:10])
    assert [client.answer().status for _ in range(201)] == [200] * 201
    client.send(one[10:])
    assert client.answer().status == 200


def test_an_offer_to_upgrade_is_declined_and_the_request_answered(client):
    upgrade = b"Host: t\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
    client.send(b"GET /a HTTP/1.1\r\n" + upgrade + b"\r\n")
    assert client.answer().body == b"GET /a "
    client.send(b"PUT /b HTTP/1.1\r\n" + upgrade + b"Content-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: t\r\n\r\n")
    assert [client.answer().body for _ in range(2)] == [b"PUT /b abc", b"GET /c "]
    client.send(b"POST /d HTTP/1.1\r\n" + upgrade + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab")
    client.send(b"c\r\n0\r\n\r\n")
    assert client.answer().body == b"POST /d abc"


def test_a_failing_handler_is_a_500_and_the_connection_goes_on(client, capsys):
    assert client.request("GET", "/fail").status == 500
    assert client.request("GET", "/ok").status == 200
    assert "on purpose" in capsys.readouterr().err


def test_a_request_that_trickles_is_cut_off(client):
    began = time.monotonic()
    client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nab")
    assert client.answer().status == 408
    assert client.closed()
    assert time.monotonic() - began < 5


def test_an_idle_connection_is_closed(client):
    assert client.request("GET", "/").status == 200
    assert client.closed()


def test_a_client_that_does_not_read_is_cut_off(client, server):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n" * 3)
    until(lambda: any(each._write_paused_at >= 0 for each in list(server.http.connections)))
    until(lambda: not any(each._write_paused_at >= 0 for each in list(server.http.connections)))


def test_connections_beyond_the_limit_are_turned_away(server):
    clients = [Client(server) for _ in range(LIMITS.max_connections + 1)]
    until(lambda: len(server.http.connections) >= LIMITS.max_connections)
    assert clients[-1].answer().status == 503
    for each in clients:
        each.close()


def test_a_half_closed_client_still_gets_its_answer(client):
    client.send(b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.answer().body == b"GET /a "
    assert client.closed()


_PIECES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: t\r\n", b"Content-Length: 5\r\n", b"\r\n", b"\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n"),
        *(
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"hello",
            b"Expect: 100-continue\r\n",
            b"CONNECT t:80 HTTP/1.1\r\n",
            b"\x00",
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=30)), max_size=12))
def test_no_bytes_make_the_server_fail_or_hang(server, pieces):
    with socket.create_connection((server.host, server.port), timeout=5) as raw_socket:
        try:
            for piece in pieces:
                raw_socket.sendall(piece)
            raw_socket.shutdown(socket.SHUT_WR)
            answers = b"".join(iter(lambda: raw_socket.recv(65536), b""))
        except ConnectionError:
            answers = b""
    for line in answers.split(b"HTTP/1.1 ")[1:]:
        assert 100 <= int(line[:3]) < 500 or line[:3] in (b"505",)
    probe = Client(server)
    assert probe.request("GET", "/alive").status == 200
    probe.close()
    until(lambda: not server.http.intake.held_bytes)  # also of what came half, or was refused
