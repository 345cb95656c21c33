"""The nouns of batch scoring: what is asked, how far it is, what came of it. They may travel between processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder, SnapshotVersion
from tidewheel.serving.worker.online import open_online
from tidewheel.serving.worker.runtime import LoadedVersion, load_version
from tidewheel.storage.contracts import KeyValue

ROWS_PER_PART = 65_536
MAX_REJECTS = 1_000


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a file is scored."""

    columns: tuple[str, ...] | None = None
    """The columns of the source to keep beside the outputs; None keeps all."""
    time: str | None = None
    """The column that says as of when features are looked up; None looks up as of the beginning of the job."""
    rejects: str | None = None
    """Where bad rows go; None is beside the target, as `<name>.rejected.parquet`."""
    max_rejects: int = MAX_REJECTS
    """With more bad rows than this the job fails."""
    rows_per_part: int = ROWS_PER_PART
    """Rows that are scored and kept as one."""
    workers: int = 0
    """Processes that score; 0 is one for each core."""
    overwrite: bool = False
    """Whether a target that exists is replaced."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a job is. `total` is None where the source does not say how many rows it has."""

    rows: int
    rejected: int
    total: int | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a job wrote. `rows` + `rejected` is the number of rows of the source."""

    version_id: str
    source: str
    target: str
    rows: int
    rejected: int
    rejects: str | None
    """Where the bad rows lie; None if there are none."""
    resumed_rows: int
    """Rows that an earlier, interrupted run had already scored."""
    workers: int
    seconds: float
    rows_per_second_per_core: float
    """Rows read, scored and written by this run, over its seconds and workers."""


@dataclass(frozen=True, slots=True)
class VersionOpening:
    """All that a process needs to load a version and to look its features up."""

    home: Path
    version: SnapshotVersion
    online_url: str

    def load(self) -> LoadedVersion:
        """The version in this process, as a worker would load it."""
        return load_version(ServingFolder(self.home), self.version)

    def online(self) -> KeyValue | None:
        """The online store, if the version looks features up."""
        if not self.version.plan_digest:
            return None
        return open_online(self.home, Settings({"storage.online_url": self.online_url}))
