"""MLflow's legacy stages: None, Staging, Production, Archived. New code uses aliases; old code goes on as it is.

A part of `Registry`. Serving never looks at a stage.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput
from tidewheel.registry import store
from tidewheel.registry.lookup import RegistryStores, require_listed, require_model, require_version
from tidewheel.registry.names import STAGES, canonical_stage
from tidewheel.registry.records import ModelVersion
from tidewheel.storage import Change

_ACTIVE = ("Staging", "Production")


class Stages(RegistryStores):
    """Moves versions between stages."""

    @door("POST", "/registry/versions/{version_id}/stage")
    def transition(self, version_id: str, stage: str, archive_existing: bool = False) -> ModelVersion:
        """Put a version into a stage.

        Args:
            version_id: the version.
            stage: None, Staging, Production or Archived.
            archive_existing: archive all other versions that are in that stage (Staging or Production).
        """
        wanted = canonical_stage(stage)
        if archive_existing and wanted not in _ACTIVE:
            raise InvalidInput(
                "Model version transition cannot archive existing model versions because "
                f"'{stage}' is not an Active stage. Valid stages are {list(_ACTIVE)}",
                where="archive_existing_versions",
            )
        with self._metadata.change() as change:
            version = require_listed(change.connection, version_id)
            if archive_existing:
                for other in store.list_versions(change.connection, version.model):
                    if other.id != version_id and other.stage == wanted:
                        self._move(change, other, "Archived")
            self._move(change, version, wanted)
            store.touch_model(change.connection, version.model, self._clock.now_us())
            return require_version(change.connection, version_id)

    @door("GET", "/registry/models/{name}/latest")
    def latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        """The newest version in each of the stages; without stages, in each that any version is in."""
        wanted = _canonical(stages)
        with self._metadata.read() as connection:
            require_model(connection, name)
            newest = store.newest_of_stages(connection, [name])
            return [version for version in newest if version.stage in wanted]

    def newest_of_stages(self, names: Sequence[str]) -> dict[str, list[ModelVersion]]:
        """The newest versions in each stage of several models at once, by model."""
        found: dict[str, list[ModelVersion]] = {}
        with self._metadata.read() as connection:
            for version in store.newest_of_stages(connection, names):
                found.setdefault(version.model, []).append(version)
        return found

    def _move(self, change: Change, version: ModelVersion, stage: str) -> None:
        store.change_version(change.connection, version.id, self._clock.now_us(), stage=stage)
        facts = {"model": version.model, "number": version.number, "stage": stage, "from_stage": version.stage}
        change.emit("registry.version.staged", version.node, facts)


def _canonical(stages: Sequence[str] | None) -> set[str]:
    return {canonical_stage(stage) for stage in stages or STAGES}
