"""Aliases: promoting gives one to a version, rolling back returns it to its former holder.

A part of `Registry`. MLflow's set, delete and get by alias are `promote`, `remove_alias` and `holder`; `follow` is what
deployments and rollouts do.
"""

from __future__ import annotations

from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.registry import alias_store, store
from tidewheel.registry.lookup import RegistryStores, find_holder, require_listed, require_model, require_version
from tidewheel.registry.names import check_alias
from tidewheel.registry.records import ModelVersion
from tidewheel.storage import Change

CHAMPION = "champion"


class Aliases(RegistryStores):
    """Says which version an alias means."""

    @door("POST", "/registry/versions/{version_id}/promote")
    def promote(self, version_id: str, alias: str = "champion") -> ModelVersion:
        """Give an alias to a version. If it holds the alias already, nothing happens, so this may be repeated."""
        check_alias(alias)
        with self._metadata.read() as connection:
            version = require_listed(connection, version_id)
        if alias in version.aliases:
            return version
        with self._metadata.change() as change:
            version = require_listed(change.connection, version_id)
            former = find_holder(change.connection, version.model, alias)
            if former is None or former.id != version_id:  # another process may have promoted it since we looked
                alias_store.push(change.connection, version.model, alias, version_id, self._clock.now_us())
            facts = {"model": version.model, "number": version.number, "alias": alias}
            facts["from_version_id"] = former.id if former else None
            change.emit("registry.version.promoted", version.node, facts)
            return require_version(change.connection, version_id)

    def follow(self, change: Change, endpoint: str, version_id: str, before: str | None) -> None:
        """A version is champion of an endpoint now, in place of `before`: in the open change, give it the alias
        `champion` of its model, if that is this endpoint's to move.

        It is, if nobody holds the alias, or its holder is the version that made room, or the endpoint has the model's
        name. Otherwise the alias stands for what answers elsewhere, or a person has put it where it is, and it stays.
        If the version is the one that held it before, the alias goes back: its present holder is forgotten.
        """
        version = store.find_version(change.connection, version_id)
        if version is None or version.deleted_at is not None:  # what is deleted goes on answering, without an alias
            return
        held = alias_store.stack(change.connection, version.model, CHAMPION)
        mine = not held or held[0] == before or endpoint == version.model
        if not mine or held[:1] == [version_id]:
            return
        back = held[1:2] == [version_id]
        if back:
            alias_store.pop(change.connection, version.model, CHAMPION)
        else:
            alias_store.push(change.connection, version.model, CHAMPION, version_id, self._clock.now_us())
        facts = {"model": version.model, "number": version.number, "alias": CHAMPION, "endpoint": endpoint}
        facts["from_version_id"] = held[0] if held else None
        kind = "registry.version.rolled_back" if back else "registry.version.promoted"
        change.emit(kind, version.node, facts)

    @door("POST", "/registry/models/{name}/rollback")
    def rollback(self, name: str, alias: str = "champion") -> ModelVersion:
        """Give an alias back to the version that held it before, and return that version.

        Raises:
            NotFound: if nobody holds the alias.
            Conflict: if nobody held it before.
        """
        with self._metadata.change() as change:
            stack = alias_store.stack(change.connection, name, alias)
            if not stack:
                raise NotFound(f"No version holds the alias {alias!r} of the model {name!r}.")
            if len(stack) == 1:
                raise Conflict(
                    f"No version held {name}@{alias} before the present one.",
                    fix="Promote the version that you want instead.",
                )
            alias_store.pop(change.connection, name, alias)
            restored = require_version(change.connection, stack[1])
            facts = {"model": name, "number": restored.number, "alias": alias, "from_version_id": stack[0]}
            change.emit("registry.version.rolled_back", restored.node, facts)
            return restored

    @door("DELETE", "/registry/models/{name}/aliases/{alias}")
    def remove_alias(self, name: str, alias: str) -> None:
        """Take an alias away from everyone.

        Raises:
            NotFound: if nobody holds it.
        """
        with self._metadata.change() as change:
            stack = alias_store.stack(change.connection, name, alias)
            if not stack:
                require_model(change.connection, name)
                raise NotFound(f"No version holds the alias {alias!r} of the model {name!r}.")
            alias_store.clear(change.connection, name, alias)
            facts = {"model": name, "alias": alias, "from_version_id": stack[0]}
            change.emit("registry.alias.removed", f"model:{name}", facts)

    @door("GET", "/registry/models/{name}/aliases/{alias}")
    def holder(self, name: str, alias: str) -> ModelVersion:
        """The version that holds an alias.

        Raises:
            InvalidInput: if the model has no such alias (MLflow's word for it).
        """
        with self._metadata.read() as connection:
            require_model(connection, name)
            found = find_holder(connection, name, alias)
        if found is None:
            raise InvalidInput(f"Registered model alias {alias} not found.", where="alias")
        return found
