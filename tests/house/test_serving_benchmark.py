"""The serving benchmark asks every server for the same rows, and its own client counts what was answered, no more."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from benchmarks.serving_environments import PACKAGES, PEERS
from benchmarks.serving_load import closed_loop, open_loop
from benchmarks.serving_requests import BINARY, GRPC, PROTOCOL, RAW, ROWS, Rows
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from tidewheel.serving.worker.binary_tensors import cut_tensors
from tidewheel.serving.worker.grpc.codec import read_request
from tidewheel.serving.worker.inference_codec import decode_request

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]"
_FINITE = st.floats(-1e6, 1e6, width=32)
_TABLES = st.integers(1, 70).flatmap(lambda count: arrays(np.float32, (count, 30), elements=_FINITE))


@given(rows=_TABLES)
def test_every_shape_carries_the_same_rows(rows: Rows) -> None:
    spoken = decode_request(PROTOCOL.write("trees", rows).body).inputs[0].numbers()
    called = read_request(GRPC.write("trees", rows).body[5:]).inputs[0].numbers()
    binary = BINARY.write("trees", rows)
    head = int(binary.headers["Inference-Header-Content-Length"])
    cut = cut_tensors(decode_request(binary.body[:head]).inputs, memoryview(binary.body)[head:])[0].numbers()
    plain = decode_rows(ROWS.write("trees", rows).body)
    raw = np.frombuffer(RAW.write("trees", rows).body, "<f4").reshape(rows.shape)
    for found in (spoken, called, cut, plain, raw):
        np.testing.assert_array_equal(np.asarray(found, np.float32), rows)


def test_answers_that_come_in_pieces_are_counted_once_each() -> None:
    with answering([_ANSWER[:9], _ANSWER[9:41], _ANSWER[41:]]) as (port, answered):
        load = closed_loop(port, [PROTOCOL.write("trees", np.zeros((1, 30), np.float32)).http()], 3, 1.0)
    assert load.requests == len(answered) > 3


def test_an_open_loop_asks_as_often_as_it_was_told_to() -> None:
    with answering([_ANSWER]) as (port, answered):
        load = open_loop(port, [RAW.write("trees", np.zeros((1, 30), np.float32)).http()], 2, 0.5, 200.0)
    assert load.requests == len(answered) == 100


def test_a_refusal_ends_a_load() -> None:
    with (
        answering([b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"]) as (port, _),
        pytest.raises(RuntimeError, match="500 No"),
    ):
        closed_loop(port, [RAW.write("trees", np.zeros((1, 30), np.float32)).http()], 1, 0.2)


def test_every_package_of_a_peer_has_a_version() -> None:
    pinned = {line.split("==")[0] for line in (PEERS / "versions.txt").read_text().split()}
    assert {package.partition("[")[0] for packages in PACKAGES.values() for package in packages} == pinned


def decode_rows(body: bytes) -> list[list[float]]:
    """Rows as FastAPI by hand and others take them."""
    rows: list[list[float]] = json.loads(body)["rows"]
    return rows


@contextmanager
def answering(pieces: list[bytes]) -> Iterator[tuple[int, list[int]]]:
    """A server that answers each request with the same pieces, sent one by one; and what it has answered."""
    answered: list[int] = []
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            while client.recv(1 << 16):  # a request of this size is one segment on loopback
                answered.append(1)
                for piece in pieces:
                    client.sendall(piece)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed
                return
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1], answered
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()
