"""Counts a step's runs on both sides: what the source said, and what the platform's own tables hold of it afterwards.

Called by `runs.py` after a step is written. Here all is read again, in a few queries for many runs; nothing is taken
from what the import believes to have written. What was added here since an import is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidewheel.app import Platform
from tidewheel.migrate.artifacts import PROXIED
from tidewheel.migrate.records import Counts
from tidewheel.migrate.source_records import SourceRun
from tidewheel.migrate.state import State
from tidewheel.tracking.records import RUN_NAME_TAG
from tidewheel.tracking.run_adoption import RunTally


def count_there(runs: Sequence[SourceRun], states: Mapping[str, State], *, models: bool) -> Counts:
    """What the source holds of runs."""
    counts = Counts()
    for run in runs:
        state = states.get(run.id, State(""))
        counts.add(
            Counts(
                runs=1,
                params=len(run.params),
                tags=len(run.tags),
                metric_points=state.points,
                datasets=len(_datasets(run)),
                model_links=len(set(run.model_inputs)) + len(set(run.model_outputs)) if models else 0,
                artifact_files=state.files or 0,
                artifact_bytes=state.bytes,
            )
        )
    return counts


def count_here(platform: Platform, runs: Sequence[SourceRun], states: Mapping[str, State]) -> Counts:
    """What the platform holds of it."""
    found = platform.tracking.tallies([run.id for run in runs])
    folders = {run_id: tally.run.artifact_uri.removeprefix(PROXIED) for run_id, tally in found.items()}
    counted = {run_id: folder for run_id, folder in folders.items() if run_id in states and states[run_id].files}
    sizes = platform.artifacts.sizes(list(counted.values()))
    counts = Counts()
    for run in runs:
        if run.id in found:
            counts.add(_of_run(run, found[run.id], states.get(run.id, State(""))))
            files, size_bytes = sizes.get(counted.get(run.id, ""), (0, 0))
            counts.add(Counts(artifact_files=files, artifact_bytes=size_bytes))
    return counts


def _of_run(run: SourceRun, here: RunTally, state: State) -> Counts:
    tags = {**here.run.tags, RUN_NAME_TAG: here.run.name}
    kept = {(dataset.name, dataset.digest) for dataset in here.run.datasets}
    return Counts(
        runs=1,
        params=sum(here.run.params.get(key) == value for key, value in run.params.items()),
        tags=sum(tags.get(key) == value for key, value in run.tags.items()),
        metric_points=min(here.points, state.points),
        datasets=len(_datasets(run) & kept),
        model_links=min(here.models, len(set(run.model_inputs)) + len(set(run.model_outputs))),
    )


def _datasets(run: SourceRun) -> set[tuple[str, str]]:
    return {(dataset.name, dataset.digest) for dataset in run.datasets}
