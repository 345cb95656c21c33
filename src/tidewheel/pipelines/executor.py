"""The seam between a pipeline's execution and the machines its steps run on.

An executor starts processes for steps whose attempt is written down and tells when they are gone; what a step did is in
the database and not in the executor. So a step's result is never lost with the executor, and an executor on other
machines (Ray, Kubernetes Jobs) has nothing to carry back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidewheel.base.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that is gone: whose it was, its exit code (negative: the signal that ended it), what it used."""

    id: str
    code: int
    cpu_s: float
    wall_s: float


class ExecutorLost(Unavailable):
    """The executor itself is gone, and with it the processes it ran. The pipeline run is to be driven again."""


class Executor(Protocol):
    """Runs steps. One thread calls `exits`; the other methods may be called meanwhile, by one thread at a time."""

    def start(self, step_run_id: str) -> None:
        """Begin a process that calls `Pipelines.run_step(step_run_id)`; return without waiting for it.

        Raises:
            Unavailable: if no process can be started; `ExecutorLost` if none will ever be.
        """

    def stop(self, step_run_id: str) -> None:
        """End a step's process and all it started, at once; its exit is reported by `exits` as any other."""

    def exits(self, timeout_s: float) -> list[Exit]:
        """The processes that are gone since the last call, waiting up to `timeout_s` for one.

        Raises:
            ExecutorLost: if they can no longer be heard of.
        """

    def close(self) -> None:
        """End what still runs. Closing again does nothing."""
