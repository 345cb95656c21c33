"""Waits, after a deployment, until the inference workers answer by it, and says so where none runs.

Called by the commands that set routes. What is told here goes to stderr, beside the result that programs read.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tidewheel.base.errors import Unavailable
from tidewheel.cli.output import console_of

if TYPE_CHECKING:
    from tidewheel.cli.command import Opened
    from tidewheel.serving import WorkerStatus

PATIENCE_S = 30.0
_POLL_S = 0.1


def wait_for_workers(opened: Opened, endpoint: str, patience_s: float = PATIENCE_S) -> None:
    """Return when every live worker answers by an endpoint's present route and options, or none lives.

    Raises:
        Unavailable: if a worker cannot load a version of the route, or they are not done within `patience_s`.
    """
    found = opened.serving.endpoint(endpoint)
    wanted = {*found.route.weights, *found.route.shadows}
    deadline = time.monotonic() + patience_s
    while True:
        live = [worker for worker in opened.serving.status().workers if worker.alive]
        behind = [worker for worker in live if worker.generation < found.generation]
        if not live:
            _tell("No inference worker runs here, so nothing answers yet: `tidewheel up` starts one.")
        if not behind:
            return
        _refuse_failed(endpoint, behind, wanted)
        if time.monotonic() >= deadline:
            raise Unavailable(
                f"The route of {endpoint!r} is set, and {len(behind)} of {len(live)} workers do not answer by it after "
                f"{patience_s:g} s.",
                fix="They go on loading; their logs are in logs/ of the home folder.",
            )
        time.sleep(_POLL_S)


def _refuse_failed(endpoint: str, behind: list[WorkerStatus], wanted: set[str]) -> None:
    """Say what keeps a worker from answering by the route."""
    for worker in behind:
        for version_id in sorted(wanted & worker.failures.keys()):
            raise Unavailable(
                f"The route of {endpoint!r} is set, and worker {worker.index} cannot load {version_id}: "
                f"{worker.failures[version_id]}",
                fix=f"It tries again; `tidewheel rollback {endpoint}` gives the traffic back.",
            )


def _tell(told: str) -> None:
    console_of(stderr=True).print(told, markup=False, style="yellow")
