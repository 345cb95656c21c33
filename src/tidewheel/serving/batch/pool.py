"""Scores parts on all cores: processes that each load the version once, and never more parts in memory than keep them
busy. The processes go when the job goes, however it goes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tidewheel.base.errors import Unavailable
from tidewheel.base.parent import as_parent, exit_with_parent
from tidewheel.serving.batch.part_scoring import PartCount, PartScorer, PartTask, from_arrow, to_arrow
from tidewheel.serving.batch.sources import Part

_PARTS_PER_PROCESS = 2  # one that it scores, and one that waits so that it never does
_scorers: list[PartScorer] = []  # of a process of the pool: its one scorer


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score_in_pool(task: PartTask, parts: Iterator[Part], workers: int) -> Iterator[PartCount]:
    """Score the parts, and tell each in its order once it lies in the work folder.

    Raises:
        InvalidInput: if a part has more bad rows than may be.
        Unavailable: if a process ended, as when the model crashed or memory ran out.
    """
    waiting: deque[Future[PartCount]] = deque()
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(task, as_parent())
    )
    try:
        for part in parts:
            waiting.append(executor.submit(_score, part.index, part.first_row, to_arrow(part.table)))
            if len(waiting) >= workers * _PARTS_PER_PROCESS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise Unavailable(
            "A process that scored ended: its model crashed, or memory ran out.",
            fix="Run it again, which goes on from the finished parts; fewer --workers need less memory.",
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(task: PartTask, parent: dict[str, str]) -> None:
    os.environ.update(parent)
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the job's to hear, which then ends us
    import pyarrow as pa

    pa.set_cpu_count(1)  # the other cores have processes of their own
    _scorers.append(PartScorer(task))


def _score(index: int, first_row: int, data: Any) -> PartCount:
    return _scorers[0].score(index, first_row, from_arrow(data))
