"""Deleting versions and models: they are listed no more, and what serves them is not hurt.

A part of `Registry`. A deleted version is found by its id alone, with `deleted_at`, and its files stay: the registry
cannot know which worker, rollout or replica holds them, and an endpoint must never fall over for a tidy list. Its
number is not given again as long as the model lives. An alias that it held is gone, as in MLflow: it does not move to
another version without a person's word.
"""

from __future__ import annotations

from tidewheel.base.doors import door
from tidewheel.registry import alias_store, store
from tidewheel.registry.lookup import RegistryStores, require_listed, require_model


class Deletion(RegistryStores):
    """Takes versions and models out of the lists."""

    @door("DELETE", "/registry/versions/{version_id}")
    def delete_version(self, version_id: str) -> None:
        """Delete a version and the aliases that it holds."""
        now_us = self._clock.now_us()
        with self._metadata.change() as change:
            version = require_listed(change.connection, version_id)
            for alias in version.aliases:
                alias_store.clear(change.connection, version.model, alias)
            alias_store.forget_version(change.connection, version_id)
            store.change_version(change.connection, version_id, now_us, deleted_at_us=now_us)
            store.touch_model(change.connection, version.model, now_us)
            facts = {"model": version.model, "number": version.number, "aliases": version.aliases}
            change.emit("registry.version.deleted", version.node, facts)

    @door("DELETE", "/registry/models/{name}")
    def delete_model(self, name: str) -> None:
        """Delete a model with all its versions, aliases and tags."""
        with self._metadata.change() as change:
            model = require_model(change.connection, name)
            store.delete_model(change.connection, name, self._clock.now_us())
            facts = {"model": name, "versions": model.versions, "aliases": model.aliases}
            change.emit("registry.model.deleted", f"model:{name}", facts)
