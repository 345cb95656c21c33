"""Which requests go into which model call: one lane for each version of each endpoint, batched by the loop's turn.

Whatever arrived for a version in one turn of the event loop is computed in one call when the turn ends. Nothing waits
for that, and a lone request is computed as it would be without batches. A version that takes longer than
`INLINE_S` a row, or runs in a process of its own, is asked from a thread instead, and what arrives while it computes is
the next batch: batches grow with load by themselves. Only `batch_wait_ms` makes a call wait, and only while others have
lately been under way at once.

One bad row must not fail its batch mates: a call that fails is taken apart and each request asked alone. Bounded: more
than `max_queue` waiting requests are refused. What nobody waits for any more is not computed.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, Overloaded, TidewheelError, TooLate
from tidewheel.serving.worker.calls import NO_ROWS, InferenceCall, Outcome
from tidewheel.serving.worker.endpoints import EndpointTable, LoadedEndpoint
from tidewheel.serving.worker.model_failures import failure_of
from tidewheel.serving.worker.model_inputs import rows_of
from tidewheel.serving.worker.model_thread import ModelThread
from tidewheel.serving.worker.runtime import INLINE_S, LoadedVersion

_BACK_WITHIN_S = 3.0  # how long batch mates of a call that ended the model's process wait for the next one
_MODEL_ERRORS = (Exception, SystemExit)  # a model may raise anything, and must not end a thread by it


class Work:
    """A call in its lane, and what becomes of it. `failure` is what went wrong."""

    __slots__ = ("call", "explains", "failure", "outcome")

    def __init__(self, call: InferenceCall) -> None:
        self.call = call
        self.explains = call.explains
        """Whether its answer is to say why: it is computed alone, and never on the event loop."""
        self.outcome = Outcome(200, 0.0, NO_ROWS, {}, None)
        self.failure: BaseException | None = None

    def fail(self, failure: BaseException, status: int) -> None:
        """It will have no outputs."""
        self.failure, self.outcome.status = failure, status


class Lane:
    """What waits for one version of one endpoint, and what is under way."""

    __slots__ = ("arrived", "computing", "endpoint", "expected", "listed", "thread", "timer", "version", "works")

    def __init__(self, endpoint: LoadedEndpoint, version: LoadedVersion) -> None:
        self.endpoint = endpoint
        self.version = version
        self.arrived: list[InferenceCall] = []
        self.works: deque[Work] = deque()
        self.computing = 0  # requests that are with the thread
        self.expected = 1  # requests that were lately under way at once
        self.listed = False  # whether the end of this turn will look at it
        self.thread: ModelThread | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self.arrived) + len(self.works) + self.computing


class ModelCall(NamedTuple):
    """A batch as it was computed: of how many requests and rows, and how long the model took."""

    requests: int
    rows: int
    took_s: float


Finish = Callable[[Lane, list[Work]], None]


class Lanes:
    """All lanes of a worker. `finish` is called on the loop with what has been computed, refused or given up."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        online: Any,
        finish: Finish,
        batched: Callable[[Lane, ModelCall], None],
        wake: Callable[[LoadedVersion, Callable[[TidewheelError | None], None]], None],
    ) -> None:
        self._loop = loop
        self._wake = wake
        self._online = online
        self._finish = finish
        self._batched = batched
        self._lanes: dict[tuple[str, LoadedVersion], Lane] = {}
        self._fresh: list[Lane] = []

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet, in all lanes."""
        return sum(lane.waiting for lane in self._lanes.values())

    def take(self, call: InferenceCall, endpoint: LoadedEndpoint, version: LoadedVersion) -> None:
        """Put a routed call into its lane, to be computed when this turn of the loop ends.

        Raises:
            Overloaded: if as many wait there as may.
        """
        key = (endpoint.name, version)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(endpoint, version)
        lane.endpoint = endpoint
        if lane.waiting >= endpoint.options.max_queue:
            raise Overloaded(
                f"{lane.waiting} requests wait for {endpoint.name!r} already.",
                fix="Try again later, or raise max_queue: `tidewheel endpoints configure`.",
            )
        version.used_at = time.monotonic()
        lane.arrived.append(call)
        self._list(lane)

    def busy(self, version: LoadedVersion) -> bool:
        """Whether requests wait for a version."""
        return any(lane.version is version and lane.waiting for lane in self._lanes.values())

    def keep(self, table: EndpointTable) -> None:
        """Let go of lanes whose version the table does not hold, once they are empty."""
        for (name, version), lane in list(self._lanes.items()):
            endpoint = table.endpoints.get(name)
            stands = endpoint is not None and endpoint.versions.get(version.id) is version
            if not stands and not lane.waiting:
                del self._lanes[name, version]
                if lane.thread is not None:
                    lane.thread.close()

    def sweep(self) -> None:
        """Refuse what has waited past its deadline behind a slow model; called a few times a second."""
        for lane in list(self._lanes.values()):
            if lane.works:
                late = [work for work in lane.works if _given_up(work)]
                for work in late:
                    lane.works.remove(work)
                if late:
                    self._finish(lane, late)

    def _list(self, lane: Lane) -> None:
        if not lane.listed:
            lane.listed = True
            if not self._fresh:
                self._loop.call_soon(self._end_turn)
            self._fresh.append(lane)

    def _end_turn(self) -> None:
        lanes, self._fresh = self._fresh, []
        for lane in lanes:
            lane.listed = False
        for lane in lanes:
            try:
                self._assemble(lane)
                self._advance(lane)
            except Exception as error:  # a fault of ours in one lane: its requests are told, and the others go on
                traceback.print_exc(file=sys.stderr)
                self._give_up(lane, Corrupt(f"The server failed: {type(error).__name__}; its log says how."))

    def _assemble(self, lane: Lane) -> None:
        """Make rows of what arrived; what has none is refused at once."""
        calls, lane.arrived = lane.arrived, []
        refused: list[Work] = []
        for call in calls:
            work = Work(call)
            try:
                work.outcome.rows, work.outcome.entities = rows_of(lane.version, call.inputs, self._online, call.at_us)
            except InvalidInput as error:
                work.fail(error, 400)
            except Exception as error:
                work.fail(error, 500)
            (lane.works if work.failure is None else refused).append(work)
        if refused:
            self._finish(lane, refused)

    def _advance(self, lane: Lane) -> None:
        """Compute what is due in a lane."""
        if not lane.works or self._waits(lane):
            return
        if lane.version.predictor is None:
            self._wake(lane.version, lambda error: self._woken(lane, error))
            return
        under_way = len(lane.works)
        if lane.version.leaves_loop:
            if not lane.computing:
                self._send(lane, self._next_batch(lane))
            return
        while lane.works:
            batch = self._next_batch(lane)
            if batch and _is_slow(batch, lane.version):
                self._send(lane, batch)
            elif batch:
                called = compute(lane.version, batch)
                lane.version.note_time(called.took_s, called.rows)
                self._finish(lane, batch)
                self._batched(lane, called)
        lane.expected = under_way

    def _woken(self, lane: Lane, error: TidewheelError | None) -> None:
        """Go on with a lane whose model has come into memory, or refuse what waits for it."""
        if error is None:
            self._advance(lane)
        else:
            self._give_up(lane, error)

    def _give_up(self, lane: Lane, error: TidewheelError) -> None:
        """Refuse what waits in a lane."""
        works = list(lane.works)
        lane.works.clear()
        for work in works:
            work.fail(error, error.status)
        self._finish(lane, works)

    def _waits(self, lane: Lane) -> bool:
        """Whether the next model call waits for more requests."""
        options = lane.endpoint.options
        enough = min(lane.expected, options.max_batch_rows)
        if not options.batch_wait_ms or len(lane.works) >= enough or lane.computing:
            if lane.timer is not None:
                lane.timer.cancel()
                lane.timer = None
            return False
        if lane.timer is None:
            lane.timer = self._loop.call_later(options.batch_wait_ms / 1e3, self._stop_waiting, lane)
        return True

    def _stop_waiting(self, lane: Lane) -> None:
        lane.timer = None
        lane.expected = 1  # so that what is here goes now
        self._advance(lane)

    def _next_batch(self, lane: Lane) -> list[Work]:
        """The next works that fit into one model call; those given up are finished on the way."""
        batch: list[Work] = []
        dropped: list[Work] = []
        rows, most = 0, min(lane.endpoint.options.max_batch_rows, lane.version.batch_rows)
        while lane.works:
            size = len(lane.works[0].outcome.rows)
            if batch and (rows + size > most or lane.works[0].explains):
                break
            work = lane.works.popleft()
            if _given_up(work):
                dropped.append(work)
                continue
            batch.append(work)
            rows += size
            if work.explains:
                break
        if dropped:
            self._finish(lane, dropped)
        return batch

    def _send(self, lane: Lane, batch: list[Work]) -> None:
        """Have a batch computed in the lane's thread."""
        if not batch:
            return
        if lane.thread is None:
            lane.thread = ModelThread(self._loop, f"model-{lane.version.id}")
        lane.computing += len(batch)
        lane.thread.run(lambda: compute(lane.version, batch), lambda called: self._received(lane, batch, called))

    def _received(self, lane: Lane, batch: list[Work], called: ModelCall) -> None:
        lane.computing -= len(batch)
        lane.expected = len(batch) + len(lane.works)
        self._finish(lane, batch)
        self._batched(lane, called)
        self._advance(lane)


def compute(version: LoadedVersion, batch: Sequence[Work]) -> ModelCall:
    """Ask a version once for all works of a batch, each alone if that fails; runs in any thread."""
    began = perf_counter()
    rows = _compute(version, batch)
    return ModelCall(len(batch), rows, perf_counter() - began)


def _compute(version: LoadedVersion, batch: Sequence[Work]) -> int:
    if len(batch) == 1:
        return _compute_one(version, batch[0])
    try:
        rows = np.concatenate([work.outcome.rows for work in batch])
        outputs = version.predict(rows)
    except _MODEL_ERRORS:  # or its process has died, for the sake of one row
        return _compute_each(version, batch)
    _share(batch, outputs)
    return len(rows)


def _compute_each(version: LoadedVersion, batch: Sequence[Work]) -> int:
    rows, patience_s = 0, _BACK_WITHIN_S
    for work in batch:
        if not version.wait_until_back(patience_s):
            patience_s = 0.0  # it does not come back, so the others need not wait as long
        rows += _compute_one(version, work)
    return rows


def _compute_one(version: LoadedVersion, work: Work) -> int:
    outcome = work.outcome
    try:
        outcome.outputs = version.predict(outcome.rows)
    except _MODEL_ERRORS as error:
        work.fail(*failure_of(version, outcome.rows, error, work.call.inputs))
    outcome.latency_s = perf_counter() - work.call.began
    if work.explains and outcome.outputs is not None:
        _explain(version, work)
    return len(outcome.rows)


def _explain(version: LoadedVersion, work: Work) -> None:
    try:
        work.outcome.explanation = version.explain(work.outcome.rows)
    except _MODEL_ERRORS as error:
        work.outcome.outputs = None
        work.fail(error, error.status if isinstance(error, TidewheelError) else 500)


def _share(batch: Sequence[Work], outputs: NDArray[np.float64]) -> None:
    start, now = 0, perf_counter()
    for work in batch:
        outcome = work.outcome
        end = start + len(outcome.rows)
        outcome.outputs = outputs[start:end]
        outcome.latency_s = now - work.call.began
        start = end


def _is_slow(batch: Sequence[Work], version: LoadedVersion) -> bool:
    """Whether a batch would hold the event loop up; one that explains is alone."""
    return batch[0].explains or sum(len(work.outcome.rows) for work in batch) * version.row_s > INLINE_S


def _given_up(work: Work) -> bool:
    """Whether a work need not be computed any more: its client has left, or its deadline has passed."""
    call = work.call
    if call.gone():
        work.fail(TooLate("The client has left."), 499)
    elif call.deadline is not None and time.monotonic() > call.deadline:
        late = TooLate("The request's deadline passed before it was computed.", fix="Give it more time.")
        work.fail(late, 499 if call.deadline_is_own else late.status)
    else:
        return False
    work.outcome.latency_s = perf_counter() - call.began
    return True
