"""MLflow's addresses of registered models: their names, descriptions, tags and aliases.

Prompts, which MLflow keeps as registered models with a tag, are refused before anything is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tidewheel.base.errors import NotFound
from tidewheel.base.units import to_us
from tidewheel.registry import Model, ModelVersion
from tidewheel.server.mlflow.errors import MLflowError
from tidewheel.server.mlflow.model_versions import VersionNumber, find_version, version_json
from tidewheel.server.mlflow.protocol import call

if TYPE_CHECKING:
    from tidewheel.app import Platform

_PROMPT_TAG = "mlflow.prompt.is_prompt"


class Tag(msgspec.Struct):
    key: str = ""
    value: str | int | float = ""


class NewModel(msgspec.Struct):
    name: str = ""
    tags: list[Tag] = []
    description: str = ""


class ModelName(msgspec.Struct):
    name: str = ""


class ModelRename(msgspec.Struct):
    name: str = ""
    new_name: str = ""


class ModelDescription(msgspec.Struct):
    name: str = ""
    description: str = ""


class ModelSearch(msgspec.Struct):
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = []
    page_token: str | None = None


class Stages(msgspec.Struct):
    name: str = ""
    stages: list[str] = []


class ModelTag(msgspec.Struct):
    name: str = ""
    key: str = ""
    value: str | int | float = ""


class ModelAlias(msgspec.Struct):
    name: str = ""
    alias: str = ""


class HeldAlias(msgspec.Struct):
    name: str = ""
    alias: str = ""
    version: VersionNumber = ""


@call("POST", "/registered-models/create", required=("name",))
def create(platform: Platform, sent: NewModel) -> dict[str, Any]:
    tags = tags_of(sent.tags)
    return _answer(platform, platform.registry.create_model(sent.name, sent.description, tags))


@call("POST", "/registered-models/rename", required=("name", "new_name"))
def rename(platform: Platform, sent: ModelRename) -> dict[str, Any]:
    return _answer(platform, platform.registry.rename(sent.name, sent.new_name))


@call("PATCH", "/registered-models/update", required=("name",))
def update(platform: Platform, sent: ModelDescription) -> dict[str, Any]:
    return _answer(platform, platform.registry.describe_model(sent.name, sent.description))


@call("DELETE", "/registered-models/delete", required=("name",))
def delete(platform: Platform, sent: ModelName) -> None:
    platform.registry.delete_model(sent.name)


@call("GET", "/registered-models/get", required=("name",))
def get(platform: Platform, sent: ModelName) -> dict[str, Any]:
    return _answer(platform, platform.registry.model(sent.name))


@call("GET", "/registered-models/search")
@call("POST", "/registered-models/search")
def search(platform: Platform, sent: ModelSearch) -> dict[str, Any]:
    page = platform.registry.search_models(sent.filter, sent.order_by, sent.max_results, sent.page_token)
    newest = platform.registry.newest_of_stages([model.name for model in page.models])
    found: dict[str, Any] = {}
    if page.models:
        found["registered_models"] = [model_json(model, newest.get(model.name, ())) for model in page.models]
    if page.next_page_token:
        found["next_page_token"] = page.next_page_token
    return found


@call("GET", "/registered-models/get-latest-versions", required=("name",))
@call("POST", "/registered-models/get-latest-versions", required=("name",))
def latest_versions(platform: Platform, sent: Stages) -> dict[str, Any]:
    found = platform.registry.latest_versions(sent.name, sent.stages)
    return {"model_versions": [version_json(version) for version in found]}


@call("POST", "/registered-models/set-tag", required=("name", "key"))
def set_tag(platform: Platform, sent: ModelTag) -> None:
    platform.registry.tag_model(sent.name, tags_of([Tag(sent.key, sent.value)]))


@call("DELETE", "/registered-models/delete-tag", required=("name", "key"))
def delete_tag(platform: Platform, sent: ModelTag) -> None:
    platform.registry.untag_model(sent.name, sent.key)


@call("POST", "/registered-models/alias", required=("name", "alias", "version"))
def set_alias(platform: Platform, sent: HeldAlias) -> None:
    platform.registry.promote(find_version(platform, sent.name, sent.version).id, sent.alias)


@call("DELETE", "/registered-models/alias", required=("name", "alias"))
def delete_alias(platform: Platform, sent: ModelAlias) -> None:
    if sent.alias in platform.registry.model(sent.name).aliases:
        with contextlib.suppress(NotFound):  # another caller was first
            platform.registry.remove_alias(sent.name, sent.alias)


@call("GET", "/registered-models/alias", required=("name", "alias"))
def get_by_alias(platform: Platform, sent: ModelAlias) -> dict[str, Any]:
    if sent.alias.lower() == "latest":
        return {"model_version": version_json(platform.registry.find(f"models:/{sent.name}/latest"))}
    return {"model_version": version_json(platform.registry.holder(sent.name, sent.alias))}


def tags_of(sent: Sequence[Tag]) -> dict[str, str]:
    """Tags by key, the last of a key being the one that counts; those of a prompt are refused."""
    tags = {tag.key: str(tag.value) for tag in sent}
    if tags.get(_PROMPT_TAG, "").lower() == "true":
        raise MLflowError(
            "NOT_IMPLEMENTED",
            "Tidewheel has no prompt registry: a model cannot be a prompt. Keep prompts on an MLflow server.",
        )
    return tags


def model_json(model: Model, newest: Sequence[ModelVersion]) -> dict[str, Any]:
    """A registered model as MLflow writes it."""
    return {
        "name": model.name,
        "creation_timestamp": to_us(model.created_at) // 1000,
        "last_updated_timestamp": to_us(model.updated_at or model.created_at) // 1000,
        "description": model.description,
        "latest_versions": [version_json(version) for version in newest],
        "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }


def _answer(platform: Platform, model: Model) -> dict[str, Any]:
    newest = platform.registry.newest_of_stages([model.name]) if model.versions else {}
    return {"registered_model": model_json(model, newest.get(model.name, ()))}
