"""Finds or makes the experiment here for each experiment there, by its name.

One that is here already is joined: it stays as it is. Called by `importing.py` before runs come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tidewheel.app import Platform
from tidewheel.base.errors import NotFound, TidewheelError
from tidewheel.migrate.progress import Progress
from tidewheel.migrate.records import ARTIFACT_LOCATION, EXPERIMENT_ID, IMPORTED_FROM, Options, Problem
from tidewheel.migrate.source_records import SourceExperiment
from tidewheel.tracking import Experiment


def chosen(found: list[SourceExperiment], options: Options) -> list[SourceExperiment]:
    """Those that were asked for.

    Raises:
        NotFound: if one that was named is not there.
    """
    names = {experiment.name for experiment in found}
    for name in options.experiments:
        if name not in names:
            raise NotFound(f"The source has no experiment {name!r}.", fix=f"It has: {', '.join(sorted(names)[:20])}")
    return [each for each in found if not options.experiments or each.name in options.experiments]


@dataclass(slots=True)
class ExperimentBringer:
    """Brings experiments. `here` maps the id there to the experiment here, and grows."""

    platform: Platform
    label: str
    options: Options
    problems: list[Problem]
    here: dict[str, Experiment] = field(default_factory=dict)

    def bring(self, experiments: list[SourceExperiment], progress: Progress) -> None:
        """Find or make each."""
        progress.begin("experiments", len(experiments))
        for experiment in experiments:
            try:
                self._bring_one(experiment)
            except TidewheelError as error:
                self.problems.append(Problem(f"experiment {experiment.name!r}", error.message))
            progress.advance()

    def _bring_one(self, there: SourceExperiment) -> None:
        name = self.options.prefix + there.name
        if self.options.dry_run:
            return
        try:
            here = self.platform.experiments.by_name(name)
        except NotFound:
            own = {IMPORTED_FROM: self.label, EXPERIMENT_ID: there.id, ARTIFACT_LOCATION: there.artifact_location}
            here = self.platform.experiments.create(name, tags={**there.tags, **own})
        self.here[there.id] = here
        if there.stage == "deleted" and here.lifecycle_stage == "active":
            self.problems.append(
                Problem(f"experiment {name!r}", "is deleted there and stays active here; its runs are")
            )
