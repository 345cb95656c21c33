"""Finds a model or version or says that there is none, in MLflow's words; and what each part of `Registry` stands on.

Called by the parts of the registry inside their transactions. It must never open one itself.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.errors import NotFound
from tidewheel.registry import alias_store, store
from tidewheel.registry.bounds import Bounds
from tidewheel.registry.names import parse_address
from tidewheel.registry.records import Model, ModelVersion
from tidewheel.registry.sources import ModelSource
from tidewheel.storage import Blobs, Metadata

_LIST = "`tidewheel models ls` lists what there is."


class RegistryStores:
    """The stores that the parts of the registry share."""

    def __init__(
        self,
        metadata: Metadata,
        blobs: Blobs,
        clock: Clock,
        source: ModelSource | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._source = source
        self._bounds = bounds or Bounds()


def require_model(connection: Connection, name: str) -> Model:
    """The model of a name."""
    found = store.find_model(connection, name)
    if found is None:
        raise no_model(name)
    return found


def require_version(connection: Connection, version_id: str) -> ModelVersion:
    """The version of an id, deleted or not."""
    found = store.find_version(connection, version_id)
    if found is None:
        raise NotFound(f"There is no model version {version_id!r}.", fix=_LIST)
    return found


def require_listed(connection: Connection, version_id: str) -> ModelVersion:
    """The version of an id, if it was not deleted."""
    found = require_version(connection, version_id)
    if found.deleted_at is not None:
        raise no_number(found.model, found.number)
    return found


def require_number(connection: Connection, name: str, number: int) -> ModelVersion:
    """A model's version of a number."""
    found = store.find_number(connection, name, number)
    if found is None:
        raise no_number(name, number)
    return found


def find_address(connection: Connection, address: str) -> ModelVersion:
    """The version that an id or a `models:/` address means."""
    if address.startswith("ver_"):
        return require_version(connection, address)
    parts = parse_address(address)
    if parts.alias is not None:
        found = find_holder(connection, parts.model, parts.alias)
    elif parts.stage is not None:
        staged = store.newest_of_stages(connection, [parts.model])
        found = next((version for version in staged if version.stage == parts.stage), None)
    else:
        found = store.find_number(connection, parts.model, parts.number)
    if found is None:
        raise NotFound(f"There is no model version {address!r}.", fix=_LIST)
    return found


def find_holder(connection: Connection, model: str, alias: str) -> ModelVersion | None:
    """The version that holds an alias, or None."""
    stack = alias_store.stack(connection, model, alias)
    return store.find_version(connection, stack[0]) if stack else None


def no_model(name: str) -> NotFound:
    """The error for a name that no model has."""
    return NotFound(f"Registered Model with name={name} not found", fix=_LIST)


def no_number(name: str, number: int | str) -> NotFound:
    """The error for a number that no version of a model has."""
    return NotFound(f"Model Version (name={name}, version={number}) not found", fix=_LIST)
