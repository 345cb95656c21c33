"""The SDK of tracking: `with tw.start_run(): tw.log_metric("auc", 0.81)`.

The active run is that of the innermost `start_run` around the call, in this thread or task; a pipeline's step begins
with the run of its pipeline. A run begun within another is its child. Each call is durable when it returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Token
from pathlib import Path
from types import TracebackType

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput
from tidewheel.tracking.records import DEFAULT_EXPERIMENT, PARENT_RUN_TAG, EndStatus, MetricPoint, Run
from tidewheel.tracking.service import Tracking


class ActiveRun:
    """A run being written, and the context manager that ends it: FINISHED, FAILED on an error, KILLED on ^C."""

    def __init__(self, run: Run) -> None:
        """Make a run the active one."""
        self.id = run.id
        self.name = run.name
        self.experiment = run.experiment
        self._token: Token[str | None] | None = ambient.active_run.set(run.id)

    def end(self, status: EndStatus = "FINISHED") -> Run:
        """End the run; the run around it, if any, is active again."""
        if self._token is not None:
            ambient.active_run.reset(self._token)
            self._token = None
        return ambient.current(Tracking).end_run(self.id, status)

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit)
        self.end("KILLED" if stopped else "FAILED" if error is not None else "FINISHED")


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    *,
    tags: Mapping[str, object] | None = None,
    inputs: Sequence[str] = (),
    run_id: str | None = None,
) -> ActiveRun:
    """Begin a run, or go on with the one of `run_id`, and make it the active one.

    Args:
        experiment: where to; default that of the run around this one, else ``Default``.
        name: what people call the run.
        tags: facts about it that may change later.
        inputs: lineage nodes that it builds on, as in ``commit:rides@4``.
        run_id: an earlier run to write on.
    """
    tracking = ambient.current(Tracking)
    if run_id is not None:
        return ActiveRun(tracking.resume_run(run_id))
    texts = {key: str(value) for key, value in (tags or {}).items()}
    parent = ambient.active_run.get()
    if parent is not None:
        texts.setdefault(PARENT_RUN_TAG, parent)
        experiment = experiment or tracking.run(parent).experiment
    return ActiveRun(tracking.start_run(experiment or DEFAULT_EXPERIMENT, name, texts, list(inputs)))


def active_run() -> Run | None:
    """The run that calls are written to now, or None."""
    run_id = ambient.active_run.get()
    return ambient.current(Tracking).run(run_id) if run_id is not None else None


def log_param(key: str, value: object) -> None:
    """Write a param of the active run down; it cannot be changed afterwards."""
    log_params({key: value})


def log_params(params: Mapping[str, object]) -> None:
    """Write params of the active run down."""
    ambient.current(Tracking).log_batch(_active_id(), params=params)


def log_metric(key: str, value: float, step: int = 0) -> None:
    """Add a point to a metric of the active run."""
    log_metrics({key: value}, step)


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> None:
    """Add a point to each of several metrics of the active run."""
    points = [MetricPoint(key, value, step) for key, value in metrics.items()]
    ambient.current(Tracking).log_batch(_active_id(), metrics=points)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the active run."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the active run."""
    ambient.current(Tracking).log_batch(_active_id(), tags=tags)


def log_artifact(source: str | Path | bytes, path: str | None = None) -> None:
    """Keep a file, a folder or bytes with the active run, at `path` among its artifacts."""
    ambient.current(Tracking).log_artifact(_active_id(), Path(source) if isinstance(source, str) else source, path)


def _active_id() -> str:
    run_id = ambient.active_run.get()
    if run_id is None:
        raise InvalidInput("No run is active, so there is nothing to write to.", fix="Use: with tw.start_run(): …")
    return run_id
