"""What people write beside models and versions: names, descriptions, tags, and their word of trust.

A part of `Registry`. None of it changes what a version is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidewheel.base.doors import door
from tidewheel.base.errors import Taken
from tidewheel.registry import store, tag_store
from tidewheel.registry.lookup import RegistryStores, require_listed, require_model, require_version
from tidewheel.registry.names import check_description, check_model_name, check_tag_key, check_tags
from tidewheel.registry.records import Model, ModelVersion
from tidewheel.storage.journal import current_actor


class Annotations(RegistryStores):
    """Renames, describes and tags."""

    @door("POST", "/registry/models/{name}/rename")
    def rename(self, name: str, new_name: str) -> Model:
        """Give a model another name; its versions, aliases and tags go along."""
        check_model_name(new_name, "new_name")
        with self._metadata.change() as change:
            require_model(change.connection, name)
            if store.has_model(change.connection, new_name):
                raise Taken(f"Registered Model (name={new_name}) already exists.", fix="Choose another name.")
            store.rename_model(change.connection, name, new_name, self._clock.now_us())
            change.emit("registry.model.renamed", f"model:{new_name}", {"name": new_name, "from_name": name})
            return require_model(change.connection, new_name)

    @door("POST", "/registry/models/{name}/describe")
    def describe_model(self, name: str, description: str) -> Model:
        """Replace what is said of a model."""
        check_description(description)
        with self._metadata.change() as change:
            require_model(change.connection, name)
            store.describe_model(change.connection, name, description, self._clock.now_us())
            change.emit("registry.model.described", f"model:{name}", {"model": name, "description": description})
            return require_model(change.connection, name)

    @door("POST", "/registry/versions/{version_id}/describe")
    def describe(self, version_id: str, description: str) -> ModelVersion:
        """Replace what is said of a version."""
        check_description(description)
        with self._metadata.change() as change:
            version = require_listed(change.connection, version_id)
            store.change_version(change.connection, version_id, self._clock.now_us(), description=description)
            change.emit("registry.version.described", version.node, _of(version) | {"description": description})
            return require_version(change.connection, version_id)

    @door("POST", "/registry/models/{name}/tags")
    def tag_model(self, name: str, tags: dict[str, str]) -> Model:
        """Set tags of a model; others stay as they are."""
        check_tags(tags)
        with self._metadata.change() as change:
            require_model(change.connection, name)
            tag_store.set_model_tags(change.connection, name, tags)
            change.emit("registry.model.tagged", f"model:{name}", {"model": name, "tags": tags})
            return require_model(change.connection, name)

    @door("DELETE", "/registry/models/{name}/tags/{key:path}")
    def untag_model(self, name: str, key: str) -> Model:
        """Remove a tag of a model, if it has it."""
        check_tag_key(key)
        with self._metadata.read() as connection:
            model = require_model(connection, name)
        if key not in model.tags:
            return model
        with self._metadata.change() as change:
            tag_store.delete_model_tag(change.connection, name, key)
            change.emit("registry.model.untagged", f"model:{name}", {"model": name, "key": key})
            return require_model(change.connection, name)

    @door("POST", "/registry/versions/{version_id}/tags")
    def tag(self, version_id: str, tags: dict[str, str]) -> ModelVersion:
        """Set tags of a version; others stay as they are."""
        check_tags(tags)
        with self._metadata.change() as change:
            version = require_listed(change.connection, version_id)
            tag_store.set_version_tags(change.connection, version_id, tags)
            change.emit("registry.version.tagged", version.node, _of(version) | {"tags": tags})
            return require_version(change.connection, version_id)

    @door("DELETE", "/registry/versions/{version_id}/tags/{key:path}")
    def untag(self, version_id: str, key: str) -> ModelVersion:
        """Remove a tag of a version, if it has it."""
        check_tag_key(key)
        with self._metadata.read() as connection:
            version = require_listed(connection, version_id)
        if key not in version.tags:
            return version
        with self._metadata.change() as change:
            tag_store.delete_version_tag(change.connection, version_id, key)
            change.emit("registry.version.untagged", version.node, _of(version) | {"key": key})
            return require_version(change.connection, version_id)

    @door("POST", "/registry/versions/{version_id}/trust", role="approver")
    def trust(self, version_id: str) -> ModelVersion:
        """Vouch, in your own name, for a version whose format runs code when it is loaded; then it may be loaded."""
        with self._metadata.read() as connection:
            version = require_listed(connection, version_id)
        if version.trusted_by is not None or not version.executes_code:
            return version
        with self._metadata.change() as change:
            store.change_version(change.connection, version_id, self._clock.now_us(), trusted_by=current_actor())
            change.emit("registry.version.trusted", version.node, _of(version) | {"trusted_by": current_actor()})
            return require_version(change.connection, version_id)

    def set_evaluation(self, version_id: str, evaluation: Mapping[str, Any]) -> ModelVersion:
        """Keep what an evaluation of a version found (JSON-able); it replaces the one before."""
        with self._metadata.change() as change:
            version = require_version(change.connection, version_id)
            store.change_version(change.connection, version_id, self._clock.now_us(), evaluation=dict(evaluation))
            change.emit("registry.version.evaluated", version.node, {"evaluation": dict(evaluation)})
            return require_version(change.connection, version_id)


def _of(version: ModelVersion) -> dict[str, Any]:
    return {"model": version.model, "number": version.number}
