"""`with tw.start_run(): tw.log_metric("auc", 0.81)`: finds the active run, and calls it.

The active run is that of the innermost `start_run` around the call, in this thread or task; a pipeline's step begins
with the run of its pipeline. A thread that has none of its own writes to the one run that is open in the process. A run
begun within another is its child.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us
from tidewheel.storage.journal import current_actor
from tidewheel.tracking import limits
from tidewheel.tracking.process_identity import PROCESS_TAG, process_identity
from tidewheel.tracking.records import DEFAULT_EXPERIMENT, PARENT_RUN_TAG, EndStatus, Run
from tidewheel.tracking.sdk.active_run import ActiveRun
from tidewheel.tracking.sdk.outbox import close_outbox, outbox_of
from tidewheel.tracking.service import Tracking

_writers: dict[str, ActiveRun] = {}
_log = logging.getLogger("tidewheel.tracking")


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    *,
    tags: Mapping[str, object] | None = None,
    inputs: Sequence[str] = (),
    run_id: str | None = None,
    description: str | None = None,
    capture: bool | None = None,
) -> ActiveRun:
    """Begin a run, or go on with the one of `run_id`, and make it the active one.

    Args:
        experiment: where to; default that of the run around this one, else ``Default``.
        name: what people call the run.
        tags: facts about it that may change later.
        inputs: lineage nodes that it builds on, as in ``commit:rides@4``.
        run_id: an earlier run to write on.
        description: prose about it, in Markdown.
        capture: whether to write down what it takes to reproduce it; default the setting ``tracking.capture``.
    """
    from tidewheel.tracking.capture import begin_capture, source_tags, wanted

    tracking = ambient.current(Tracking)
    if run_id is not None:
        resumed = _opened(ActiveRun(tracking.resume_run(run_id), tracking))
        resumed.set_tags(_this_process())
        return resumed
    texts = limits.check_texts(tags or {}, "tag", limits.MAX_TAG)
    if description is not None:
        texts["mlflow.note.content"] = description
    if os.environ.get("TIDEWHEEL_REPRODUCES") and ambient.active_run.get() is None:
        texts.setdefault("tidewheel.reproduces", os.environ["TIDEWHEEL_REPRODUCES"])
    parent = _parent(tracking, texts)
    texts |= _this_process()
    captures = wanted(capture)
    if captures:
        texts = {**source_tags(), **texts}
    run = _begin(tracking, experiment or (parent.experiment if parent else DEFAULT_EXPERIMENT), name, texts, inputs)
    active = _opened(ActiveRun(run, tracking))
    if captures:
        begin_capture(active, parent.id if parent else None)
    return active


def capture_pipeline(project: Path, pipeline: str, params: Mapping[str, object]) -> None:
    """Begin to write down what it takes to run the pipeline again whose run is the active one; for pipelines."""
    from tidewheel.tracking.capture import begin_capture, command, wanted

    run = active_run()
    if run is not None and wanted(None):
        begin_capture(run, None, command.describe_pipeline(project, pipeline, params))


def wait_for_capture() -> None:
    """Wait until what `capture_pipeline` began is written down, and let go of the run: its pipeline has ended."""
    run = _writers.pop(ambient.active_run.get(), None)  # type: ignore[arg-type]
    if run is not None:
        run.wait_for_capture()


def active_run() -> ActiveRun | None:
    """The run that calls are written to now, or None."""
    run_id = ambient.active_run.get()
    if run_id is not None:
        return _writer(run_id)
    opened = [writer for writer in _writers.values() if not writer.ended]
    return opened[0] if len(opened) == 1 else None


def log_param(key: str, value: object) -> None:
    """Write a param of the active run down; it cannot be changed afterwards."""
    _active().log_params({key: value})


def log_params(params: Mapping[str, object]) -> None:
    """Write params of the active run down."""
    _active().log_params(params)


def log_metric(key: str, value: float, step: int = 0) -> None:
    """Add a point to a metric of the active run."""
    run = _writers.get(ambient.active_run.get())  # type: ignore[arg-type]
    (run or _active()).log_metric(key, value, step)


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> None:
    """Add a point to each of several metrics of the active run."""
    _active().log_metrics(metrics, step)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the active run."""
    _active().set_tags({key: value})


def set_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the active run."""
    _active().set_tags(tags)


def log_artifact(source: str | Path | bytes, path: str | None = None) -> None:
    """Keep a file, a folder or bytes with the active run, at `path` among its artifacts."""
    _active().log_artifact(source, path)


def log_text(text: str, path: str) -> None:
    """Keep a text as an artifact of the active run."""
    _active().log_text(text, path)


def log_dict(value: object, path: str) -> None:
    """Keep dicts and lists as a JSON (or YAML) artifact of the active run."""
    _active().log_dict(value, path)


def log_figure(figure: Any, path: str) -> None:
    """Keep a figure or an image as an artifact of the active run."""
    _active().log_figure(figure, path)


def log_table(rows: Any, path: str) -> None:
    """Keep a table as an artifact of the active run: .json, .csv or .parquet."""
    _active().log_table(rows, path)


def log_input(dataset: Any, context: str | None = None, *, name: str | None = None) -> None:
    """Say that the active run used a dataset."""
    _active().log_input(dataset, context, name=name)


def flush(timeout_s: float = 30.0) -> None:
    """Wait until all calls so far are with the server.

    Raises:
        Unavailable: if it is away; what was taken stays in the spool.
        TidewheelError: what it refused.
    """
    outbox_of(ambient.current(Tracking)).flush(timeout_s)


def close_sdk(tracking: Tracking) -> None:
    """Deliver what was taken for a room which closes, and let go of its runs; quick if there is nothing."""
    close_outbox(tracking)
    for run_id, writer in list(_writers.items()):
        if writer.writes_to(tracking):
            del _writers[run_id]


def end_open_runs() -> None:
    """At the end of the process: runs that nobody ended."""
    status: EndStatus = "FINISHED"
    died_of = getattr(sys, "last_type", None)
    if died_of is not None and not hasattr(sys, "ps1"):
        status = "KILLED" if issubclass(died_of, KeyboardInterrupt) else "FAILED"
    for writer in [*reversed(_writers.values())]:
        if not writer.ended and writer.begun_in == os.getpid():
            try:
                writer.end(status)
            except Exception as error:
                _log.error("While ending run %s: %s", writer.id, error)


def _this_process() -> dict[str, str]:
    process = process_identity()
    return {PROCESS_TAG: process} if process else {}


def _active() -> ActiveRun:
    run = active_run()
    if run is None:
        several = sum(not writer.ended for writer in _writers.values()) > 1
        raise InvalidInput(
            "Several runs are open, and none is active in this thread." if several
            else "No run is active, so there is nothing to write to.",
            fix="Call the run's own methods: run.log_metric(…)." if several else "Use: with tw.start_run(): …",
        )  # fmt: skip
    return run


def _writer(run_id: str) -> ActiveRun:
    """The open run of an id; one that something else began, as a pipeline does, is looked up."""
    found = _writers.get(run_id)
    if found is None:
        tracking = ambient.current(Tracking)
        found = _writers[run_id] = ActiveRun(tracking.run(run_id), tracking)
    return found


def _opened(run: ActiveRun) -> ActiveRun:
    for run_id, writer in list(_writers.items()):
        if writer.ended:
            del _writers[run_id]
    _writers[run.id] = run
    run.begun_in = os.getpid()
    return run.make_active()


def _parent(tracking: Tracking, texts: dict[str, str]) -> ActiveRun | None:
    run_id = ambient.active_run.get()
    if run_id is None:
        return None
    texts.setdefault(PARENT_RUN_TAG, run_id)
    return _writer(run_id)


def _begin(tracking: Tracking, experiment: str, name: str | None, tags: dict[str, str], inputs: Sequence[str]) -> Run:
    """Begin the run at the server, or in the spool if that is away."""
    limits.check_experiment_name(experiment)
    run_id, outbox = new_id("run"), outbox_of(tracking)
    name = limits.check_run_name(name or f"run-{run_id[-8:]}")
    nodes = list(limits.check_inputs(inputs))
    started_at_us = outbox.now_us()
    if outbox.away is None:
        try:
            began = from_us(started_at_us)
            return tracking.start_run(experiment, name=name, tags=tags, inputs=nodes, run_id=run_id, started_at=began)
        except Unavailable as error:
            _log.warning("The run %s begins in the spool: %s", run_id, error)
    outbox.append(("s", run_id, experiment, name, tags, nodes, started_at_us))
    return Run(
        id=run_id,
        experiment_id="",
        experiment=experiment,
        name=name,
        user=current_actor(),
        status="RUNNING",
        lifecycle_stage="active",
        started_at=from_us(started_at_us),
        artifact_uri="",
        inputs=tuple(nodes),
        tags=tags,
    )


atexit.register(end_open_runs)
