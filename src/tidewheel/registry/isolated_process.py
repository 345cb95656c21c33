"""`python -m tidewheel.registry.isolated_process FOLDER`: loads one model, answers some rows, and ends.

Started by `isolated.py`, so that a file which makes a native parser crash, hang or grow, and code that a model brings
along, meet this process and no other. The folder holds the task and the rows; the reply and the answers are written
beside them. It knows nothing of the install: no database, no settings, no tokens. It imports little, as every new
version waits for it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.base.parent import exit_with_parent
from tidewheel.registry.formats import Predictor
from tidewheel.registry.load import load_predictor, use_one_thread

TASK, REPLY, LATENCIES = "task.json", "reply.json", "latencies.npy"
_LATENCY_TRIES = 3


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to load, and what to ask it: `batches` arrays `rows-0.npy`…, each answered in `answers-0.npy`…

    `timed_rows` of the first batch are then asked one by one, and how long each takes is written down.
    """

    format: str
    files: dict[str, str]
    files_folder: str
    trusted_by: str | None
    batches: int
    timed_rows: int
    memory_mb: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """How it went: `code` is empty, or names the Tidewheel error that the rest describes."""

    code: str = ""
    message: str = ""
    where: str = ""
    fix: str = ""


def main(folder: Path) -> None:
    """Do the task in a folder and end at once: what libraries do at a process's end can no longer go wrong."""
    exit_with_parent()
    task = msgspec.json.decode((folder / TASK).read_bytes(), type=Task)
    work_bounded(folder, task.memory_mb, lambda: _ask(task, folder))


def work_bounded(folder: Path, memory_mb: int, work: Callable[[], None]) -> NoReturn:
    """Do some work within the memory allowed, write down in the folder how it went, and end the process."""
    bound_process(memory_mb)
    try:
        work()
        reply = Reply()
    except TidewheelError as error:
        reply = Reply(**error.to_dict())
    except BaseException as error:  # a model may raise anything, SystemExit too
        failed = Corrupt(f"The model failed: {type(error).__name__}: {error}", fix="Mend it and register it again.")
        reply = Reply(**failed.to_dict())
    partial = folder / f".{REPLY}"
    partial.write_bytes(msgspec.json.encode(reply))
    partial.replace(folder / REPLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def bound_process(memory_mb: int) -> None:
    """No more memory than allowed, no core file, and the first to go where the machine runs out of memory."""
    most = memory_mb * 2**20
    with contextlib.suppress(OSError, ValueError):  # macOS knows the limit and does not take it
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _ask(task: Task, folder: Path) -> None:
    predictor = load_predictor(task.format, Path(task.files_folder), task.files, task.trusted_by)
    use_one_thread()
    for place in range(task.batches):
        rows = np.load(folder / f"rows-{place}.npy", allow_pickle=False)
        answers = predictor.predict(rows)
        np.save(folder / f"answers-{place}.npy", np.asarray(answers, dtype=np.float64), allow_pickle=False)
        if place == 0 and task.timed_rows:
            np.save(folder / LATENCIES, _latencies_ms(predictor, rows[: task.timed_rows]), allow_pickle=False)


def _latencies_ms(predictor: Predictor, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long the model takes for each of some rows: the fastest of a few tries.

    One try measures the machine as well: with other work on its cores, the slowest of 200 answers is a wait for the
    scheduler, and a gate on it refuses good candidates by chance. What the model needs, it needs every time.
    """
    taken = np.empty(len(rows))
    for index in range(taken.size):
        row = np.ascontiguousarray(rows[index : index + 1])
        taken[index] = min(_answer_ms(predictor, row) for _ in range(_LATENCY_TRIES))
    return taken


def _answer_ms(predictor: Predictor, row: NDArray[np.float64]) -> float:
    begun = time.perf_counter_ns()
    predictor.predict(row)
    return (time.perf_counter_ns() - begun) / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
