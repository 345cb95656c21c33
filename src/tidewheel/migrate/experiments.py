"""Finds or makes the experiment here for each experiment there, by its name.

One that is here already is joined. Called by `importing.py` before runs come, and after them to put aside what is
deleted there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tidewheel.app import Platform
from tidewheel.base.errors import NotFound, Taken, TidewheelError
from tidewheel.migrate.clocks import instant
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
        made_at = instant(there.created_at_ms) if there.created_at_ms is not None else None
        own = {IMPORTED_FROM: self.label, EXPERIMENT_ID: there.id, ARTIFACT_LOCATION: there.artifact_location}
        try:
            here = self.platform.experiments.create(name, tags={**there.tags, **own}, created_at=made_at)
        except Taken:
            here = self._join(self.platform.experiments.by_name(name), there)
        self.here[there.id] = here

    def _join(self, here: Experiment, there: SourceExperiment) -> Experiment:
        """Give one that is here already the tags from there. What its people say here is not overwritten."""
        if here.lifecycle_stage == "deleted" and there.stage == "active":
            self.platform.experiments.restore(here.id)
            here = self.platform.experiments.experiment(here.id)
        imported = IMPORTED_FROM in here.tags
        new = {k: v for k, v in there.tags.items() if here.tags.get(k) != v and (imported or k not in here.tags)}
        for key in there.tags.keys() - new.keys():
            if here.tags[key] != there.tags[key]:
                self.problems.append(Problem(f"tag {key!r} of experiment {here.name!r}", "says something else here"))
        if not new or here.lifecycle_stage == "deleted":
            return here
        self.platform.experiments.set_tags(here.id, new)
        return self.platform.experiments.experiment(here.id)

    def put_aside(self, experiments: list[SourceExperiment]) -> None:
        """Delete those that are deleted there, once their runs are here. One that was not imported stays."""
        for there in experiments:
            here = self.here.get(there.id)
            if here is None or there.stage == "active" or here.lifecycle_stage == "deleted":
                continue
            if here.tags.get(IMPORTED_FROM) == self.label:
                self.platform.experiments.delete(here.id)
            else:
                why = "is deleted there; here it was not made by this import and stays, its runs there are deleted"
                self.problems.append(Problem(f"experiment {here.name!r}", why))
