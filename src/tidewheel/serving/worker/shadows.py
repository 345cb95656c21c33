"""Mirrored requests: computed after the answer has been written, in a thread, on versions that never answer.

The loop only appends to a list; what is behind by more than `MAX_WAITING` requests, or by more bytes than may be held,
is dropped and counted. A shadow that is slow or fails can therefore not change an answer, its order or its time. Its
predictions carry the answered request's id.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic, perf_counter
from typing import Any

from tidewheel.base.errors import TidewheelError
from tidewheel.serving.worker.calls import NO_ROWS, Call, Outcome
from tidewheel.serving.worker.intake import Intake
from tidewheel.serving.worker.model_inputs import rows_of
from tidewheel.serving.worker.runtime import LoadedVersion

MAX_WAITING = 1024


Job = tuple[Call, LoadedVersion]


class Shadows:
    """The queue and its thread. `done` is called on the loop with each outcome."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        online: Any,
        done: Callable[[Call, LoadedVersion, Outcome], None],
        dropped: Callable[[str], None],
        most_bytes: int = 0,
    ) -> None:
        """`most_bytes` bounds the bodies of what waits here, whatever requests without an answer hold; 0 = no bound."""
        self._loop = loop
        self._online = online
        self._done = done
        self._dropped = dropped
        self._fresh: list[Job] = []
        self._waiting = 0
        self._held = Intake(most_bytes)
        self._of_version: Counter[str] = Counter()
        self._jobs: SimpleQueue[list[Job]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """Requests not yet computed."""
        return self._waiting

    def busy(self, version: LoadedVersion) -> bool:
        """Whether requests to a version are not yet computed."""
        return self._of_version[version.id] > 0

    def offer(self, call: Call, versions: list[LoadedVersion]) -> None:
        """Mirror a request to versions, or drop it where they are behind. The thread sees it after this loop turn."""
        for version in versions:
            if self._waiting >= MAX_WAITING or self._held.is_full(0, call.body_bytes):
                self._dropped(call.endpoint)
                continue
            self._waiting += 1
            self._held.held_bytes += call.body_bytes
            self._of_version[version.id] += 1
            if not self._fresh:
                self._loop.call_soon(self._hand_over)
            self._fresh.append((call, version))

    def _hand_over(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._compute, name="shadows", daemon=True)
            self._thread.start()
        jobs, self._fresh = self._fresh, []
        self._jobs.put(jobs)

    def _compute(self) -> None:
        while True:
            done = [(job, _outcome_of(*job, self._online)) for job in self._jobs.get()]
            try:
                self._loop.call_soon_threadsafe(self._finish, done)
            except RuntimeError:  # the loop has closed: the worker has ended
                return

    def _finish(self, done: list[tuple[Job, Outcome]]) -> None:
        self._waiting -= len(done)
        for (call, version), _ in done:
            self._of_version[version.id] -= 1
            self._held.held_bytes -= call.body_bytes
        for (call, version), outcome in done:
            self._done(call, version, outcome)


def _outcome_of(call: Call, version: LoadedVersion, online: Any) -> Outcome:
    """Compute a call; whatever goes wrong is its outcome."""
    outcome = Outcome(200, 0.0, NO_ROWS, {}, None)
    began, version.used_at = perf_counter(), monotonic()
    try:
        version.wake()  # where the budget has sent it away: this thread may wait
        outcome.rows, outcome.entities = rows_of(version, call.inputs, online, call.at_us)
        outcome.outputs = version.predict(outcome.rows)
    except TidewheelError as error:
        outcome.status = error.status
    except (Exception, SystemExit):  # a model may raise anything, and must not end the thread of all shadows
        outcome.status = 500
        traceback.print_exc(file=sys.stderr)
    outcome.latency_s = perf_counter() - began
    return outcome
