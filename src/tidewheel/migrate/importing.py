"""The walk of an import: experiments, runs page by page, logged models, registered models, and the verdict.

Called by `tidewheel import mlflow`. Nothing is kept outside the platform's own rooms, so any walk may be cut off and
begun again.
"""

from __future__ import annotations

import time
from dataclasses import fields

from tidewheel.app import Platform
from tidewheel.base.units import to_us
from tidewheel.migrate import reading
from tidewheel.migrate.artifacts import ArtifactCopier
from tidewheel.migrate.experiments import ExperimentBringer, chosen
from tidewheel.migrate.histories import Histories
from tidewheel.migrate.logged_models import LoggedModelBringer
from tidewheel.migrate.models import ModelBringer
from tidewheel.migrate.places import Places
from tidewheel.migrate.progress import Progress, Silent
from tidewheel.migrate.records import Counts, Difference, LeftOut, Options, Problem, Report
from tidewheel.migrate.runs import RunBringer
from tidewheel.migrate.source import Source, open_source


def import_mlflow(platform: Platform, address: str, options: Options, progress: Progress | None = None) -> Report:
    """Bring over what an MLflow store holds, and say whether all of it is here.

    Raises:
        Unavailable: if the source does not answer, or MLflow's package is not installed.
        InvalidInput: if the address names no store that can be read.
    """
    with open_source(address) as source:
        return _walk(platform, source, options, progress or Silent())


def _walk(platform: Platform, source: Source, options: Options, progress: Progress) -> Report:
    begun, label = time.monotonic(), source.address.label
    there, here, problems = Counts(), Counts(), list[Problem]()
    copier = ArtifactCopier(platform, Places.of(source, options.artifact_root), options, problems)
    found = chosen(reading.experiments(source), options)
    ids = [experiment.id for experiment in found]
    shelves = ExperimentBringer(platform, label, options, problems)
    shelves.bring(found, progress)
    there.experiments, here.experiments = len(found), len(shelves.here)
    runs = RunBringer(platform, label, options, shelves.here, Histories.of(source), copier, problems, there, here)
    progress.begin("runs")
    since_ms = to_us(options.since) // 1000 if options.since else None
    for page in reading.runs(source, ids, since_ms):
        runs.bring(page, progress)
    if options.models:
        _bring_models(source, ids, runs, progress)
    shelves.put_aside(found)
    copier.tell()
    return Report(
        source=label,
        dry_run=options.dry_run,
        source_counts=there,
        here_counts=here,
        new_runs=runs.new,
        updated_runs=runs.updated,
        unchanged_runs=runs.unchanged,
        differences=() if options.dry_run else _differences(there, here),
        problems=tuple(problems),
        not_imported=LeftOut(traces=reading.count_traces(source, ids), prompts=reading.count_prompts(source)),
        seconds=round(time.monotonic() - begun, 3),
    )


def _bring_models(source: Source, ids: list[str], runs: RunBringer, progress: Progress) -> None:
    shared = (runs.copier, runs.problems, runs.there, runs.here, runs.roots)
    logged = LoggedModelBringer(runs.platform, runs.label, runs.options, runs.experiments, *shared)
    progress.begin("logged models")
    for model in reading.logged_models(source, ids):
        if runs.options.since is None or f"runs:/{model.run_id}" in runs.roots.values():
            logged.bring(model)
            progress.advance()
    registered = ModelBringer(runs.platform, runs.label, runs.options, *shared)
    progress.begin("registered models")
    for each in reading.models(source):
        registered.bring(each)
        progress.advance()


def _differences(there: Counts, here: Counts) -> tuple[Difference, ...]:
    sides = [(each.name, getattr(there, each.name), getattr(here, each.name)) for each in fields(Counts)]
    return tuple(Difference(name, source, found) for name, source, found in sides if source != found)
