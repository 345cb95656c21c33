"""MLflow's addresses of model versions: registering from a source, finding, stages, tags and where to download."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.units import to_us
from tidewheel.registry import ModelVersion
from tidewheel.registry.lookup import no_number
from tidewheel.registry.sources import kind_of
from tidewheel.server.mlflow.errors import invalid
from tidewheel.server.mlflow.protocol import call

if TYPE_CHECKING:
    from tidewheel.app import Platform

VersionNumber = str | int
_MOST_COPIES = 100
_VERSIONS_TAG = "mlflow.modelVersions"


class VersionTag(msgspec.Struct):
    key: str = ""
    value: str | int | float = ""


class NewVersion(msgspec.Struct):
    name: str = ""
    source: str = ""
    run_id: str = ""
    tags: list[VersionTag] = []
    run_link: str = ""
    description: str = ""
    model_id: str = ""


class VersionName(msgspec.Struct):
    name: str = ""
    version: VersionNumber = ""


class VersionDescription(msgspec.Struct):
    name: str = ""
    version: VersionNumber = ""
    description: str = ""


class Transition(msgspec.Struct):
    name: str = ""
    version: VersionNumber = ""
    stage: str = ""
    archive_existing_versions: bool = False


class VersionSearch(msgspec.Struct):
    filter: str = ""
    max_results: int = 200_000
    order_by: list[str] = []
    page_token: str | None = None


class SetVersionTag(msgspec.Struct):
    name: str = ""
    version: VersionNumber = ""
    key: str = ""
    value: str | int | float = ""


@call("POST", "/model-versions/create", required=("name", "source"))
def create(platform: Platform, sent: NewVersion) -> dict[str, Any]:
    if kind_of(sent.source) == "external" and urlsplit(sent.source).scheme in {"", "file"}:
        raise invalid(
            f"Invalid model version source: '{sent.source}'. To use a local path as a model version source, the run_id "
            "request parameter has to be specified and the local path has to be contained within the artifact "
            "directory of the run specified by the run_id."
        )
    version = platform.registry.register_source(
        sent.name,
        sent.source,
        run_id=sent.run_id or None,
        model_id=sent.model_id or None,
        tags={tag.key: str(tag.value) for tag in sent.tags},
        description=sent.description,
        run_link=sent.run_link or None,
        new_model=False,
        empty=True,
    )
    if sent.model_id:
        _note_on_logged_model(platform, sent.model_id, version)
    return _answer(version)


@call("GET", "/model-versions/get", required=("name", "version"))
def get(platform: Platform, sent: VersionName) -> dict[str, Any]:
    return _answer(find_version(platform, sent.name, sent.version))


@call("PATCH", "/model-versions/update", required=("name", "version"))
def update(platform: Platform, sent: VersionDescription) -> dict[str, Any]:
    version = find_version(platform, sent.name, sent.version)
    return _answer(platform.registry.describe(version.id, sent.description))


@call("POST", "/model-versions/transition-stage", required=("name", "version", "stage"))
def transition_stage(platform: Platform, sent: Transition) -> dict[str, Any]:
    version = find_version(platform, sent.name, sent.version)
    return _answer(platform.registry.transition(version.id, sent.stage, sent.archive_existing_versions))


@call("DELETE", "/model-versions/delete", required=("name", "version"))
def delete(platform: Platform, sent: VersionName) -> None:
    platform.registry.delete_version(find_version(platform, sent.name, sent.version).id)


@call("GET", "/model-versions/search")
@call("POST", "/model-versions/search")
def search(platform: Platform, sent: VersionSearch) -> dict[str, Any]:
    page = platform.registry.search_versions(sent.filter, sent.order_by, sent.max_results, sent.page_token)
    found: dict[str, Any] = {}
    if page.versions:
        found["model_versions"] = [version_json(version) for version in page.versions]
    if page.next_page_token:
        found["next_page_token"] = page.next_page_token
    return found


@call("GET", "/model-versions/get-download-uri", required=("name", "version"))
def download_uri(platform: Platform, sent: VersionName) -> dict[str, Any]:
    return {"artifact_uri": _download_uri(platform, find_version(platform, sent.name, sent.version))}


@call("POST", "/model-versions/set-tag", required=("name", "version", "key"))
def set_tag(platform: Platform, sent: SetVersionTag) -> None:
    version = find_version(platform, sent.name, sent.version)
    platform.registry.tag(version.id, {sent.key: str(sent.value)})


@call("DELETE", "/model-versions/delete-tag", required=("name", "version", "key"))
def delete_tag(platform: Platform, sent: SetVersionTag) -> None:
    platform.registry.untag(find_version(platform, sent.name, sent.version).id, sent.key)


def find_version(platform: Platform, name: str, version: VersionNumber) -> ModelVersion:
    """The version of a model that a client writes as text."""
    try:
        number = int(version)
    except ValueError:
        raise invalid(f"Parameter 'version' must be an integer, got '{version}'.") from None
    if not 0 < number < 2**31:
        raise no_number(name, number)
    return platform.registry.numbered(name, number)


def version_json(version: ModelVersion) -> dict[str, Any]:
    """A model version as MLflow writes it."""
    written: dict[str, Any] = {
        "name": version.model,
        "version": str(version.number),
        "creation_timestamp": to_us(version.created_at) // 1000,
        "last_updated_timestamp": to_us(version.updated_at or version.created_at) // 1000,
        "user_id": version.user,
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source or f"mlflow-artifacts:/versions/{version.id}",
        "run_id": version.run_id or "",
        "status": version.status,
        "run_link": version.run_link or "",
        "tags": [{"key": key, "value": value} for key, value in version.tags.items()],
        "aliases": list(version.aliases),
    }
    more = {"status_message": version.status_message, "model_id": version.model_id}
    return written | {name: value for name, value in more.items() if value}


def _answer(version: ModelVersion) -> dict[str, Any]:
    return {"model_version": version_json(version)}


def _note_on_logged_model(platform: Platform, model_id: str, version: ModelVersion) -> None:
    """Write on the logged model what it was registered as, where MLflow's page and clients look for it."""
    # An id from elsewhere, more versions than a tag holds, a tag that a client wrote: the version stands anyway.
    with contextlib.suppress(NotFound, InvalidInput, ValueError, TypeError):
        known = platform.logged_models.model(model_id).tags.get(_VERSIONS_TAG, "[]")
        noted = [*json.loads(known), {"name": version.model, "version": version.number}]
        platform.logged_models.set_tags(model_id, {_VERSIONS_TAG: json.dumps(noted)})


def _download_uri(platform: Platform, version: ModelVersion) -> str:
    """Where a client finds the files: those that the registry keeps, which nobody can write over, before any other.

    The folder of a run may be written to after it was registered. A version whose files are not here is at the address
    they came from; a copy of such a one is followed to the first of its line.
    """
    for _ in range(_MOST_COPIES):
        if version.source is None or version.files:
            return f"mlflow-artifacts:/versions/{version.id}"
        if kind_of(version.source) != "version":
            return version.source
        version = platform.registry.find(version.source)
    raise NotFound(f"The source {version.source} leads nowhere.")
