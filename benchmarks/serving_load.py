"""The load of `bench_serving`: many connections in a closed loop, or requests at a fixed rate in an open one.

A process of its own on another core than the server's, one epoll loop and no framework. In an open loop the clock of a
request starts when it was due, not when a connection was free for it: a server that stalls is charged for all who would
have come meanwhile (coordinated omission: Gil Tene, "How NOT to measure latency"). It spins for the last moments before
a request is due, since a timer is coarser than what is measured.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import select
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np

from benchmarks.serving_servers import SERVER_CORE

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_PATIENCE_S = 60.0
_SPIN_S = 150e-6  # longer than a timer of the kernel is late


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw, whoever made it."""

    requests: int
    took_s: float
    p50_us: float
    p99_us: float
    client_cpu_s: float
    """What the client used itself; near `took_s` it may have been the bottleneck (or, open, have spun)."""

    @staticmethod
    def of(latencies_us: Sequence[float], took_s: float, client_cpu_s: float) -> Load:
        """Of the latency of each request."""
        p50_us, p99_us = np.percentile(latencies_us, [50, 99])
        return Load(len(latencies_us), took_s, float(p50_us), float(p99_us), client_cpu_s)


def closed_loop(port: int, payloads: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Each connection sends its next request when it has its answer."""
    return _elsewhere(port, payloads, connections, seconds, 0.0)


def open_loop(port: int, payloads: Sequence[bytes], connections: int, seconds: float, per_second: float) -> Load:
    """A request each 1/per_second, on whichever connection is free, or on the first that becomes so."""
    return _elsewhere(port, payloads, connections, seconds, per_second)


def client_cores() -> set[int]:
    """The cores that are not the server's."""
    return (os.sched_getaffinity(0) - {SERVER_CORE}) or {SERVER_CORE}


def children_cpu_s() -> float:
    """Processor time of the clients that have run as other programs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _elsewhere(*arguments: object) -> Load:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_drive, arguments)


def _drive(port: int, payloads: Sequence[bytes], connections: int, seconds: float, per_second: float) -> Load:
    os.sched_setaffinity(0, client_cores())
    clients = [_Client(port) for _ in range(connections)]
    try:
        return _Drive(clients, payloads, seconds, per_second).run()
    finally:
        for client in clients:
            client.socket.close()


class _Client:
    """A connection that reads whole answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._buffer = b""

    def send(self, payload: bytes, began: float) -> None:
        """Blocks only if the server does not read."""
        self.began = began
        self.socket.sendall(payload)

    def receive(self) -> bool:
        """Whether the answer is whole now.

        Raises:
            RuntimeError: if it is not a 200, or the server hung up.
        """
        data = self.socket.recv(1 << 18)
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(_HEAD_END)
        if not data or (end >= 0 and not self._buffer.startswith(b"HTTP/1.1 200")):
            raise RuntimeError(f"the load was answered {self._buffer[:200]!r}")
        if end < 0 or not _is_whole(self._buffer, end):
            return False
        self._buffer = b""
        return True


def _is_whole(answer: bytes, end: int) -> bool:
    head = answer[:end].lower()
    at = head.find(_LENGTH)
    if at < 0:  # chunked
        return answer.endswith(b"0\r\n\r\n")
    stop = head.find(b"\r\n", at)
    return len(answer) >= end + 4 + int(head[at + len(_LENGTH) : stop if stop > 0 else end])


class _Drive:
    """One run over connected clients."""

    def __init__(self, clients: list[_Client], payloads: Sequence[bytes], seconds: float, per_second: float) -> None:
        self._payloads = payloads
        self._seconds = seconds
        self._gap_s = 1 / per_second if per_second else 0.0
        self._free = deque(clients)
        self._by_file = {client.socket.fileno(): client for client in clients}
        self._poll = select.epoll()
        for file in self._by_file:
            self._poll.register(file, select.EPOLLIN)
        self._latencies_us: list[float] = []
        self._sent = 0

    def run(self) -> Load:
        """Send for so long, and wait for the last answers.

        Raises:
            RuntimeError: if one was refused, or none is answered for a minute.
        """
        began, began_cpu = perf_counter(), process_time()
        last = began
        while (due_s := self._send_due(began)) is not None or self._sent > len(self._latencies_us):
            if due_s is None or due_s > _SPIN_S:  # for an answer, or until shortly before the next request is due
                select.select([self._poll], [], [], _PATIENCE_S if due_s is None else due_s - _SPIN_S)
            ready = self._poll.poll(0, 256)
            self._receive(ready)
            last = perf_counter() if ready else last
            if perf_counter() - last > _PATIENCE_S:
                raise RuntimeError(f"{self._sent - len(self._latencies_us)} requests were not answered in time")
        return Load.of(self._latencies_us, perf_counter() - began, process_time() - began_cpu)

    def _receive(self, ready: list[tuple[int, int]]) -> None:
        for file, _ in ready:
            client = self._by_file[file]
            if client.receive():
                self._latencies_us.append((perf_counter() - client.began) * 1e6)
                self._free.append(client)

    def _send_due(self, began: float) -> float | None:
        """Send what is due; return how soon the next one is, or None while that is not a matter of time."""
        while self._free:
            now = perf_counter()
            due = began + self._sent * self._gap_s if self._gap_s else now
            if due - began >= self._seconds:
                return None
            if due > now:
                return due - now
            self._free.popleft().send(self._payloads[self._sent % len(self._payloads)], due)
            self._sent += 1
        return None
