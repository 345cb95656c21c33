"""Executes one attempt at a step in the process made for it, and writes down how it ended.

The last thing it does is the transaction that says so. A failure names the project's own line; the whole traceback is
kept beside it.
"""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tidewheel.pipelines.project import describe_error, project_module
from tidewheel.pipelines.records import StepRun
from tidewheel.pipelines.states import StepState
from tidewheel.pipelines.step_journal import StepJournal
from tidewheel.pipelines.steps import Step
from tidewheel.pipelines.values import ResultOf, dump, map_leaves, undump, value_hash
from tidewheel.storage import Blobs
from tidewheel.tracking import flush

_MAX_TRACE = 20_000


def execute_step(step_run: StepRun, project: Path, blobs: Blobs, journal: StepJournal) -> bool:
    """Run the step and keep its result; True if it succeeded and nobody had given it up meanwhile."""
    began = time.perf_counter()
    try:
        project_module(project)
        function, args, kwargs = _load_call(step_run, blobs)
        value = function(*args, **kwargs)
        flush()  # a step has not succeeded before what it logged is written
        data = dump(value, f"What step {step_run.key} returned")
        result = {"result_digest": blobs.put(data), "result_hash": value_hash(value)}
    except Exception as error:  # a step may raise anything
        traceback.print_exc()
        story = {"error": describe_error(error, project.parent), "trace": traceback.format_exc()[-_MAX_TRACE:]}
        journal.end(step_run, StepState.FAILED, **story, **_spent(began))
        return False
    return journal.end(step_run, StepState.SUCCEEDED, **result, **_spent(began))


def _load_call(step_run: StepRun, blobs: Blobs) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    reference, args, kwargs = undump(blobs.get(step_run.payload_digest))
    args, kwargs = map_leaves(
        (args, kwargs), lambda leaf: undump(blobs.get(leaf.digest)) if isinstance(leaf, ResultOf) else leaf
    )
    if isinstance(reference, Step):
        return reference.function, args, kwargs
    module, name = reference
    step: Step[Any, Any] = getattr(sys.modules.get(module) or import_module(module), name)
    return step.function, args, kwargs


def _spent(began: float) -> dict[str, float]:
    """Processor time of this process, which was made for this step, and of those it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return {"cpu_s": round(cpu_s, 6), "wall_s": round(time.perf_counter() - began, 6)}
