"""The threads of the MLflow wire: work whose request went away still holds its thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tidewheel.server.threads import Threads


def test_a_cancelled_call_whose_work_goes_on_does_not_hold_up_the_next() -> None:
    free = threading.Event()

    async def calls() -> str:
        threads, begun = Threads(limit=2), threading.Event()
        held = asyncio.create_task(threads.run(lambda: (begun.set(), free.wait(30))))
        await asyncio.to_thread(begun.wait, 10)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        return await asyncio.wait_for(threads.run(lambda: "done"), 10)

    try:
        assert asyncio.run(calls()) == "done"
    finally:
        free.set()
