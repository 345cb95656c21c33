"""Tracking's verbs: runs are begun, described, measured, found and ended; no run changes what another has written.

`app.py` constructs it; training code reaches it through the SDK (`sdk/`), pipelines for the run of each execution,
MLflow's clients through the server's wire. The verbs stand in the parts that `Tracking` is made of.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.storage import Blobs, Metadata
from tidewheel.tracking import artifact_uris
from tidewheel.tracking.artifact_paths import check_path
from tidewheel.tracking.artifacts import Artifacts
from tidewheel.tracking.records import Artifact
from tidewheel.tracking.required_run import require_active_run
from tidewheel.tracking.run_adoption import RunAdoption
from tidewheel.tracking.run_lifecycle import RunLifecycle
from tidewheel.tracking.run_reading import RunReading
from tidewheel.tracking.run_writing import RunWriting


class Tracking(RunLifecycle, RunWriting, RunReading, RunAdoption):
    """Keeps what training runs did."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._artifacts = Artifacts(metadata, blobs, clock)
        self._clock = clock
        self.spool_folder: Path | None = None  # where the SDK keeps what is not delivered yet; app.py says
        self.named_by = ""  # how a command names this install: `--home FOLDER`; app.py says

    @property
    def clock(self) -> Clock:
        """What tells the time here; points without an instant get its present one."""
        return self._clock

    def log_artifact(self, run_id: str, source: Path | bytes, path: str | None = None) -> list[Artifact]:
        """Keep a file, a folder's files, or bytes with a run.

        `path` is where among the run's artifacts; a file or folder without one keeps its own name.
        """
        if path is None:
            if isinstance(source, bytes):
                raise InvalidInput("Bytes have no name of their own.", fix="Pass path=…")
            path = source.resolve().name
        name = check_path(path)
        with self._metadata.read() as connection:
            require_active_run(connection, run_id)
            root = artifact_uris.run_root(connection, run_id)
        return _below(root, self._artifacts.put(f"{root}/{name}", source))

    @door("GET", "/tracking/runs/{run_id}/artifacts")
    def artifacts(self, run_id: str) -> list[Artifact]:
        """What a run kept, by path."""
        root = self._artifact_root(run_id)
        return _below(root, self._artifacts.below(root))

    def fetch_artifact(self, run_id: str, path: str, target: Path) -> Path:
        """Write an artifact to `target`, checked against its BLAKE3."""
        root = self._artifact_root(run_id)
        try:
            found = self._artifacts.open(f"{root}/{path}")
        except NotFound:
            raise NotFound(
                f"The run {run_id} kept no artifact {path!r}.", fix="`tidewheel runs show` lists them."
            ) from None
        return found.fetch(target)

    def _artifact_root(self, run_id: str) -> str:
        with self._metadata.read() as connection:
            return artifact_uris.run_root(connection, run_id)


def _below(root: str, kept: list[Artifact]) -> list[Artifact]:
    return [replace(artifact, path=artifact.path.removeprefix(f"{root}/")) for artifact in kept]
