"""A predictor whose model lives in a child process. It fits wherever a `registry.formats.Predictor` does.

Called where a worker loads a version whose endpoint asks for isolation. Its child ends with `close`, or when nobody
holds the predictor any more, so that a version which leaves memory takes its process along, but not from under a call.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.settings import Settings
from tidewheel.serving.worker.isolation.child import Task
from tidewheel.serving.worker.isolation.keeper import Keeper

_LOOK_S = 0.01


class IsolatedPredictor:
    """Answers rows by asking its child; blocks meanwhile. May be used from any thread, and asks one call at a time."""

    executes_in_thread = True
    """A call waits for another process, so it must never be made on an event loop."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._end = weakref.finalize(self, keeper.close)

    @property
    def pid(self) -> int | None:
        """The process id of the child that answers now, or None while a new one is being started."""
        return self._keeper.pid

    @property
    def memory_bytes(self) -> int:
        """What the child has in memory; 0 where there is none, or where the system does not say."""
        try:
            pages = Path(f"/proc/{self._keeper.pid}/statm").read_bytes().split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def predict(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Answer n rows of k features (C-contiguous float64, NaN = missing) with n rows of m outputs.

        Raises:
            InvalidInput: if k is not what the model was trained on.
            Unavailable: if the child dies of this call or does not answer in time, or is being started again.
            ModelFailed: if the model raised an exception: its type's name and its message.
        """
        return self._keeper.ask(rows)

    def wait_until_back(self, within_s: float) -> bool:
        """Wait for the child that is started after one has died; whether there is one."""
        deadline = time.monotonic() + within_s
        while self._keeper.pid is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        return self._keeper.pid is not None

    def close(self) -> None:
        """End the child. A call under way is refused."""
        self._end()


def open_isolated(
    format_name: str, folder: Path, files: Mapping[str, str], trusted_by: str | None, settings: Settings | None = None
) -> IsolatedPredictor:
    """The predictor of a version's files in a folder, as `registry.load.load_predictor`, in a process of its own.

    Raises:
        Corrupt: if a file is missing or is not what was registered, or loading it ends the process or takes too long.
        NotAllowed: if the format executes code and nobody is on record as trusting this version.
        Unavailable: if the model's library is not installed here.
    """
    settings = settings or Settings()
    task = Task(
        format=format_name,
        folder=str(folder.absolute()),
        files=dict(files),
        trusted_by=trusted_by,
        memory_mb=settings.get("serving.isolated_memory_mb", int),
    )
    call_s = settings.get("serving.isolated_timeout_s", float)
    keeper = Keeper(task, call_s, settings.get("registry.trial_timeout_s", float))
    keeper.start()
    return IsolatedPredictor(keeper)
