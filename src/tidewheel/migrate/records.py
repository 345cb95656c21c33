"""The nouns of an import: what is asked for, what was counted on both sides, what went wrong. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Literal

IMPORTED_FROM = "tidewheel.imported_from"  # tag: the source's address, without a password
IMPORTED_STATE = "tidewheel.imported_state"  # tag: a hash of what the source said, so that no change means no work
EXPERIMENT_ID = "tidewheel.mlflow_experiment_id"  # tag: its number there
ARTIFACT_LOCATION = "tidewheel.mlflow_artifact_location"  # tag: where its artifacts lay there

Stage = Literal["active", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an import brings.

    Attributes:
        experiments: names; none means all.
        prefix: put before the names of experiments and models, so that they meet none of the same name.
        since: only runs that began at or after this instant.
        artifacts: whether files come too.
        models: whether logged models and registered models come too.
        artifact_root: where the artifacts of the store lie now, if not where it says.
        everything: read every run anew, also those that came over before and have not changed.
        dry_run: only say what would come.
    """

    experiments: tuple[str, ...] = ()
    prefix: str = ""
    since: datetime | None = None
    artifacts: bool = True
    models: bool = True
    artifact_root: Path | None = None
    everything: bool = False
    dry_run: bool = False

    @property
    def selective(self) -> bool:
        """Whether only some runs come."""
        return bool(self.experiments) or self.since is not None


@dataclass(slots=True, kw_only=True)
class Counts:
    """How much there is of everything that comes over. The one record here that grows."""

    experiments: int = 0
    runs: int = 0
    params: int = 0
    tags: int = 0
    metric_points: int = 0
    datasets: int = 0
    model_links: int = 0
    artifact_files: int = 0
    artifact_bytes: int = 0
    logged_models: int = 0
    models: int = 0
    versions: int = 0
    aliases: int = 0

    def add(self, other: Counts) -> None:
        """Count another's things too."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not come over, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure in which the two sides differ."""

    what: str
    source: int
    here: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What the source holds and Tidewheel has no place for; None where it would not say."""

    traces: int | None = 0
    prompts: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an import did and found.

    Attributes:
        source: where it read, without a password.
        dry_run: whether nothing was written.
        source_counts: what the source holds of what was asked for.
        here_counts: the same, counted in Tidewheel afterwards.
        new_runs: runs that came over now.
        updated_runs: runs that were here and had changed there.
        unchanged_runs: runs that were here already, just so.
        differences: figures in which the two sides differ.
        problems: what did not come over, and why.
        not_imported: what Tidewheel has no place for.
        seconds: how long it took.
    """

    source: str
    dry_run: bool
    source_counts: Counts
    here_counts: Counts
    new_runs: int
    updated_runs: int
    unchanged_runs: int
    differences: tuple[Difference, ...] = ()
    problems: tuple[Problem, ...] = ()
    not_imported: LeftOut = field(default_factory=LeftOut)
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether everything that was asked for is here."""
        return not self.differences and not self.problems
