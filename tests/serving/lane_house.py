"""Lanes on a real event loop, with models that remember what they were asked, and calls that remember their answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidewheel.base.errors import TidewheelError
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.records import RoutingUnit
from tidewheel.serving.snapshot import SnapshotVersion
from tidewheel.serving.worker.calls import Answer, InferenceCall
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.lanes import Lane, Lanes, Work
from tidewheel.serving.worker.runtime import LoadedVersion


@dataclass(frozen=True)
class Given:
    """An input whose numbers are there already."""

    rows: np.ndarray
    name: str = "features"

    def numbers(self) -> np.ndarray:
        return self.rows

    def texts(self) -> list[str]:
        raise AssertionError("no text is asked for")


class KeptCall(InferenceCall):
    """A call whose answer or refusal is kept; `left` says that its client has gone."""

    def __init__(self, *rows: Sequence[float], deadline: float | None = None) -> None:
        super().__init__("surge", [Given(np.array(rows, dtype=float))], deadline=deadline)
        self.answered: Answer | None = None
        self.refused: TidewheelError | None = None
        self.left = False

    def answer(self, answer: Answer) -> None:
        assert self.answered is None
        self.answered = answer

    def refuse(self, error: TidewheelError) -> None:
        self.refused = error

    def gone(self) -> bool:
        return self.left


class Summing:
    """Answers the sum of each row; refuses to work at all while one of them holds a 13."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predict(self, rows: np.ndarray) -> np.ndarray:
        if (rows == 13).any():
            raise RuntimeError("thirteen")
        self.asked.append(len(rows))
        return rows.sum(axis=1, keepdims=True)


class Gated(Summing):
    """Works only when the gate is open: a slow model whose time the test decides."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        self.entered.release()
        self.gate.acquire()
        return super().predict(rows)


class Exiting(Summing):
    """Tries to end its process at a 13."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        if (rows == 13).any():
            raise SystemExit(3)
        return super().predict(rows)


@dataclass
class LaneHouse:
    """One endpoint with one version, and the lanes before it."""

    model: Summing
    options: EndpointOptions = field(default_factory=EndpointOptions)
    finished: list[Work] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.load()
        self.lanes = Lanes(asyncio.get_running_loop(), None, self._finish, lambda lane, rows: None, self._wake)

    def load(self) -> None:
        """Load the version, anew if it is there already."""
        spec = SnapshotVersion(
            id="ver_1", model="surge", number=1, format="python", files={}, trusted_by=None, inputs=["a"], outputs=["p"]
        )
        self.version = LoadedVersion(spec, None, lambda: self.model, [])
        self.version.wake()
        self.version.leaves_loop = isinstance(self.model, Gated)
        self.endpoint = LoadedEndpoint(
            "surge", ((1.0, "ver_1"),), "s", RoutingUnit(), {"ver_1": self.version}, (), frozenset(), self.options, {}
        )

    def take(self, *calls: KeptCall) -> None:
        for call in calls:
            self.lanes.take(call, self.endpoint, self.version)

    def _wake(self, version: LoadedVersion, woken: object) -> None:
        raise AssertionError("the version is awake")

    def _finish(self, lane: Lane, works: list[Work]) -> None:
        self.finished += works
        for work in works:
            if work.outcome.outputs is not None:
                work.call.answer(Answer("surge", self.version, "", work.outcome.outputs))
            elif isinstance(work.failure, TidewheelError):
                work.call.refuse(work.failure)


async def turns(number: int = 3) -> None:
    """Let the loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def reached(lock: threading.Semaphore) -> None:
    """Wait until a thread has released a semaphore."""
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: lock.acquire(timeout=10))


async def until(done: Callable[[], bool]) -> None:
    """Wait for a condition; the story's own deadline ends it."""
    while not done():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
