"""A thread that asks one slow model, so that the event loop goes on. What it computed comes back onto the loop.

A daemon: a model that never returns must not keep a draining worker from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class ModelThread:
    """Runs jobs one after another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def run(self, job: Callable[[], Result], done: Callable[[Result], None]) -> None:
        """Have `job` run, and then `done` on the loop with what it returned. The job must not raise."""

        def run_and_return() -> None:
            result = job()
            try:
                self._loop.call_soon_threadsafe(done, result)
            except RuntimeError:  # the loop has closed: the worker has ended
                self._jobs.put(None)

        self._jobs.put(run_and_return)

    def close(self) -> None:
        """End the thread behind the jobs that it has."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
