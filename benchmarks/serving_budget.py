"""Where the time of one prediction goes: marks along a worker's own path, in this process.

    python -m benchmarks.serving_budget

Single rows in JSON to the trees behind the 90/10 route of `serving_home`. The pieces are a worker's, joined as it joins
them; only the socket is missing: a transport that lets go of its bytes stands where it would be. Medians of many
requests. What the server takes beyond that in `bench_serving` (CPU us) is the kernel's sockets and the event loop.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks.serving_environments import model_folder
from benchmarks.serving_home import make_home
from benchmarks.serving_requests import PROTOCOL
from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker.addresses import Addresses
from tidewheel.serving.worker.guard import Guard
from tidewheel.serving.worker.http_protocol import Connection, Exchange, HttpServer, Limits
from tidewheel.serving.worker.metrics import Meters
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.rest import RestInference
from tidewheel.serving.worker.shadows import Shadows
from tidewheel.serving.worker.snapshots import load_snapshot
from tidewheel.storage.predictions.writer import PredictionWriter

_RUNS = 15
_CALLS = 600
_TURNS = (1, 16, 64)
"""How many requests arrive in one turn of the loop."""
_STAGES = (
    "parse: HTTP's head and body",
    "decode: the address, the request's JSON",
    "route: endpoint, known inputs, id, sticky hash; into its lane",
    "features: a turn of the loop, the tensor's numbers as a row",
    "model",
    "outcome and the record of it",
    "log: MessagePack, mapped segment",
    "encode: the answer's JSON and head",
    "metrics: status, latency bucket, rows; the end of the turn",
)
"""What lies between two marks; a mark is set where one piece hands over to the next."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Time of a request, in microseconds."""

    stages: Sequence[float]
    """By `_STAGES`."""
    joined: dict[int, float]
    """Processor time of the whole path, by how many requests arrive in one turn of the loop."""


class _Marks:
    """The moments at which a request passed from piece to piece."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def mark(self) -> None:
        """Now."""
        self.moments.append(time.perf_counter())

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, between two marks."""

        def marked(*arguments: Any) -> Any:
            self.mark()
            found = call(*arguments)
            self.mark()
            return found

        return marked


class _Marked:
    """Something whose every call is marked."""

    def __init__(self, inner: Any, marks: _Marks) -> None:
        self._inner, self._marks = inner, marks

    def __getattr__(self, name: str) -> Any:
        return self._marks.around(getattr(self._inner, name))


class _Sink(asyncio.Transport):
    """A transport that lets go of what is written."""

    def __init__(self, written: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.answers = 0
        self._written = written

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.answers += 1
        self._written()


class _Path:
    """A worker's pieces over a home, joined as `worker.process` joins them, with marks between them or without."""

    def __init__(self, home: Path, marks: _Marks | None = None) -> None:
        folder, settings = ServingFolder(home), Settings()
        meters = Meters(folder.counters, 98 if marks else 99)
        log: Any = PredictionWriter(home / "predictions", "marked" if marks else "joined")
        loop = asyncio.get_running_loop()
        shadows = Shadows(loop, None, lambda *_: None, meters.count_dropped)
        table = load_snapshot(folder, None, settings).table
        if table is None:
            raise RuntimeError(f"nothing is served from {home}")
        self.inference = Inference(loop, _Marked(log, marks) if marks else log, None, SystemClock(), meters, shadows)
        self.inference.take_table(table)
        submit = marks.around(self.inference.submit) if marks else self.inference.submit
        guard = Guard(Addresses({}, {b"/v2/models/": {(b"POST", b"infer"): RestInference(submit).infer}}), settings)
        if marks:
            for version in table.versions().values():
                version.predictor = _Marked(version.predictor, marks)  # type: ignore[assignment]
        self._versions = table.endpoint("trees").versions.values()
        self.server = HttpServer(_marking(marks, guard) if marks else guard, Limits(), meters.count_answer)

    def connect(self, sink: _Sink) -> Connection:
        """A client's connection."""
        connection = Connection(self.server)
        connection.connection_made(sink)
        return connection

    def is_usual(self) -> bool:
        """Whether the model is still asked on the event loop: a busy machine makes it seem slow, and it leaves."""
        return not any(version.leaves_loop for version in self._versions)


def _marking(marks: _Marks, handler: Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    def marked(exchange: Exchange) -> None:
        marks.mark()
        handler(exchange)

    return marked


def main() -> None:
    """Measure and print, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-budget-") as folder:
        make_home(Path(folder))
        print_budget(measure(Path(folder)))


def measure(home: Path) -> Budget:
    """The budget of the endpoint `trees` of a home."""
    rows = np.load(model_folder() / "rows.npy")[: max(_TURNS)]
    payloads = [PROTOCOL.write("trees", row[None]).http() for row in rows]

    async def run() -> Budget:
        stages = [await _stages_us(home, payloads) for _ in range(_RUNS)]
        joined = {size: [await _joined_us(home, payloads, size) for _ in range(_RUNS)] for size in _TURNS}
        return Budget(_median(stages), {size: float(_median(runs)) for size, runs in joined.items()})

    return uvloop.run(run())


def print_budget(budget: Budget) -> None:
    """A line a stage."""
    print("\ntime budget of one prediction inside the worker, in us (single row, JSON, routed, logged, counted)")
    for name, took_us in zip(_STAGES, budget.stages, strict=True):
        print(f"  {name:<62}{took_us:7.2f}")
    print(f"  {'sum: a request that is alone in its turn of the loop':<62}{sum(budget.stages):7.2f}")
    for size, took_us in budget.joined.items():
        print(f"  {f'processor time, {size} request(s) in a turn of the loop':<62}{took_us:7.2f}")


def _median(runs: Sequence[Any]) -> Any:
    """The median over the runs that kept to the usual path.

    Raises:
        RuntimeError: if those are few.
    """
    usual = [run for run in runs if run is not None]
    if len(usual) < _RUNS // 3:
        raise RuntimeError(f"the machine is busy: model calls left the event loop in {_RUNS - len(usual)} runs")
    return np.median(usual, axis=0)


async def _stages_us(home: Path, payloads: list[bytes]) -> Any:
    """The medians of what lies between the marks, for requests that come alone; None off the usual path."""
    marks, loop = _Marks(), asyncio.get_running_loop()
    path = _Path(home, marks)
    connection = path.connect(_Sink(marks.mark))
    for number in range(_CALLS):  # nothing else is done between requests: it would cool the caches for them
        marks.mark()
        connection.data_received(payloads[number % len(payloads)])
        loop.call_soon(marks.mark)  # behind the end of the turn, which the request has put there before
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if not path.is_usual():
        return None
    if len(marks.moments) != _CALLS * (len(_STAGES) + 1):
        stages = len(marks.moments) / _CALLS - 1
        raise RuntimeError(f"the path has {stages:.1f} stages, and {len(_STAGES)} are named here")
    return np.median(np.diff(np.reshape(marks.moments, (_CALLS, -1))), axis=0) * 1e6


async def _joined_us(home: Path, payloads: list[bytes], size: int) -> float | None:
    """The whole path without marks for requests that arrive in one turn, less an empty turn; None as above."""
    path = _Path(home)
    sinks = [_Sink() for _ in range(size)]
    connections = [path.connect(sink) for sink in sinks]
    turns = max(_CALLS // size, 4)
    await _turns_us(connections, payloads, 4)
    took_us = await _turns_us(connections, payloads, turns) - await _turns_us([], payloads, turns)
    if not path.is_usual():
        return None
    if sum(sink.answers for sink in sinks) != size * (turns + 4):
        raise RuntimeError("not every request was answered in its turn")
    return took_us / size


async def _turns_us(connections: list[Connection], payloads: list[bytes], turns: int) -> float:
    """Processor time of a turn in which each connection sends a request, each turn another one."""
    began = time.process_time()
    for number in range(turns):
        for place, connection in enumerate(connections, number):
            connection.data_received(payloads[place % len(payloads)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return (time.process_time() - began) / turns * 1e6


if __name__ == "__main__":
    main()
