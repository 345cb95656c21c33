"""What a journal entry says to a webhook: MLflow's events and payloads. Pure.

One entry may be several events (tags set together) or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tidewheel.storage import Entry


@dataclass(frozen=True, slots=True)
class Notice:
    """One event, as `model_version.created`, and MLflow's payload for it."""

    event: str
    data: dict[str, Any]


def notices_of(entry: Entry) -> list[Notice]:
    """The events that an entry is, in order."""
    found = _READERS.get(entry.kind)
    return found[1](entry) if found else []


def kinds_of(events: Iterable[str]) -> list[str]:
    """The kinds of journal entries in which these events are found."""
    wanted = set(events)
    return [kind for kind, (told, _) in _READERS.items() if told & wanted]


def example_of(event: str) -> Notice:
    """An event to try a receiver with."""
    return Notice(event, dict(_EXAMPLES[event]))


def _model_created(entry: Entry) -> list[Notice]:
    data, name = entry.data, entry.subject.partition(":")[2]
    told = {"name": name, "tags": data.get("tags") or {}, "description": data.get("description") or ""}
    return [Notice("registered_model.created", told)]


def _version_created(entry: Entry) -> list[Notice]:
    data, version_id = entry.data, entry.subject.partition(":")[2]
    told = _version(entry) | {
        "source": data.get("source") or f"mlflow-artifacts:/versions/{version_id}",
        "run_id": data.get("run_id"),
        "tags": data.get("tags") or {},
        "description": data.get("description") or None,
    }
    return [Notice("model_version.created", told)]


def _tags_set(entry: Entry) -> list[Notice]:
    tags = entry.data["tags"].items()
    return [Notice("model_version_tag.set", _version(entry) | {"key": key, "value": value}) for key, value in tags]


def _tag_deleted(entry: Entry) -> list[Notice]:
    return [Notice("model_version_tag.deleted", _version(entry) | {"key": entry.data["key"]})]


def _alias_moved(entry: Entry) -> list[Notice]:
    told = {"name": entry.data["model"], "alias": entry.data["alias"], "version": str(entry.data["number"])}
    return [Notice("model_version_alias.created", told)]


def _alias_removed(entry: Entry) -> list[Notice]:
    told = {"name": entry.data["model"], "alias": entry.data["alias"]}
    return [Notice("model_version_alias.deleted", told)]


def _version_deleted(entry: Entry) -> list[Notice]:
    name = entry.data["model"]
    return [Notice("model_version_alias.deleted", {"name": name, "alias": alias}) for alias in entry.data["aliases"]]


def _version(entry: Entry) -> dict[str, Any]:
    return {"name": entry.data["model"], "version": str(entry.data["number"])}


_READERS: dict[str, tuple[set[str], Callable[[Entry], list[Notice]]]] = {
    "registry.model.created": ({"registered_model.created"}, _model_created),
    "registry.version.registered": ({"model_version.created"}, _version_created),
    "registry.version.tagged": ({"model_version_tag.set"}, _tags_set),
    "registry.version.untagged": ({"model_version_tag.deleted"}, _tag_deleted),
    "registry.version.promoted": ({"model_version_alias.created"}, _alias_moved),
    "registry.version.rolled_back": ({"model_version_alias.created"}, _alias_moved),
    "registry.alias.removed": ({"model_version_alias.deleted"}, _alias_removed),
    "registry.version.deleted": ({"model_version_alias.deleted"}, _version_deleted),
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "registered_model.created": {
        "name": "example_model",
        "tags": {"example_key": "example_value"},
        "description": "An example registered model",
    },
    "model_version.created": {
        "name": "example_model",
        "version": "1",
        "source": "models:/123",
        "run_id": "abcd1234abcd5678",
        "tags": {"example_key": "example_value"},
        "description": "An example model version",
    },
    "model_version_tag.set": {
        "name": "example_model",
        "version": "1",
        "key": "example_key",
        "value": "example_value",
    },
    "model_version_tag.deleted": {"name": "example_model", "version": "1", "key": "example_key"},
    "model_version_alias.created": {"name": "example_model", "alias": "example_alias", "version": "1"},
    "model_version_alias.deleted": {"name": "example_model", "alias": "example_alias"},
}
