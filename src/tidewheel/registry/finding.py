"""Lists, finds and searches models and versions.

A part of `Registry`. Searches read MLflow's filter and order grammar; pages are asked for by token.
"""

from __future__ import annotations

from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput
from tidewheel.registry import search_store, store
from tidewheel.registry.lookup import (
    RegistryStores,
    find_address,
    no_model,
    require_model,
    require_number,
    require_version,
)
from tidewheel.registry.records import Model, ModelPage, ModelVersion, VersionPage

MAX_MODELS, MAX_VERSIONS = 1000, 200_000


class Finding(RegistryStores):
    """Answers which models and versions there are."""

    @door("GET", "/registry/models")
    def models(self) -> list[Model]:
        """All models, by name."""
        with self._metadata.read() as connection:
            return store.list_models(connection)

    @door("GET", "/registry/models/{name}")
    def model(self, name: str) -> Model:
        """The model of a name."""
        with self._metadata.read() as connection:
            return require_model(connection, name)

    @door("GET", "/registry/models/{name}/versions")
    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first."""
        with self._metadata.read() as connection:
            found = store.list_versions(connection, name)
            if not found and not store.has_model(connection, name):
                raise no_model(name)
            return found

    @door("GET", "/registry/versions/{version_id}")
    def version(self, version_id: str) -> ModelVersion:
        """The version of an id, even if it was deleted."""
        with self._metadata.read() as connection:
            return require_version(connection, version_id)

    def numbered(self, name: str, number: int) -> ModelVersion:
        """A model's version of a number."""
        with self._metadata.read() as connection:
            return require_number(connection, name, number)

    @door("GET", "/registry/find")
    def find(self, address: str) -> ModelVersion:
        """The version that an id, `models:/NAME@ALIAS`, `models:/NAME/3` or `models:/NAME/latest` means."""
        with self._metadata.read() as connection:
            return find_address(connection, address)

    @door("GET", "/registry/search/models")
    def search_models(
        self,
        filter: str = "",  # noqa: A002 - the field's word
        order_by: list[str] | None = None,
        limit: int = 100,
        page_token: str | None = None,
    ) -> ModelPage:
        """Models that a filter takes, as in ``name LIKE 'sur%' AND tags.team = 'pricing'``.

        Args:
            filter: MLflow's grammar over `name`, `creation_timestamp`, `last_updated_timestamp` and `tags.KEY`.
            order_by: as in ``["last_updated_timestamp DESC"]``; default by name.
            limit: at most so many on this page, up to 1,000.
            page_token: the page before says it.
        """
        _check_limit(limit, MAX_MODELS)
        with self._metadata.read() as connection:
            return search_store.search_models(connection, filter, order_by, limit, page_token)

    @door("GET", "/registry/search/versions")
    def search_versions(
        self,
        filter: str = "",  # noqa: A002 - the field's word
        order_by: list[str] | None = None,
        limit: int = 100,
        page_token: str | None = None,
    ) -> VersionPage:
        """Versions that a filter takes, as in ``name = 'surge' AND tags.team = 'pricing'``.

        Args:
            filter: MLflow's grammar over `name`, `version_number`, `run_id`, `source_path`, `creation_timestamp`,
                `last_updated_timestamp` and `tags.KEY`.
            order_by: as in ``["version_number ASC"]``; default what changed last comes first.
            limit: at most so many on this page, up to 200,000.
            page_token: the page before says it.
        """
        _check_limit(limit, MAX_VERSIONS)
        with self._metadata.read() as connection:
            return search_store.search_versions(connection, filter, order_by, limit, page_token)


def _check_limit(limit: int, most: int) -> None:
    if limit < 1:
        raise InvalidInput(f"Invalid value for max_results. It must be a positive integer, but got {limit}")
    if limit > most:
        raise InvalidInput(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value {limit}"
        )
