"""`/models` and below: registered models, their versions, and one version with all that is known of it. Reads only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup

from tidewheel.base.errors import Corrupt, NotFound
from tidewheel.server.pages.evidence import flat_facts
from tidewheel.server.pages.lineage_drawing import lineage_drawing
from tidewheel.storage import journal
from tidewheel.tracking.artifacts import VERSIONS

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.registry import Model, ModelVersion
    from tidewheel.storage import Entry
    from tidewheel.tracking import Run

_MODELS = 200
_ENTRIES = 40
_REQUIREMENTS = "requirements.txt"
_REQUIREMENTS_BYTES = 16_384
_KINDS = {"commit": "data", "feature_set": "features", "run": "run", "version": "model version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsView:
    """The list of models."""

    models: tuple[Model, ...]
    words: str
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model with its versions, newest first; `served` are the endpoints that each answers, by version id."""

    model: Model
    versions: tuple[ModelVersion, ...]
    metrics: tuple[str, ...]
    served: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version."""

    version: ModelVersion
    run: Run | None
    lineage: Markup
    edges: tuple[tuple[str, str], ...]
    served: tuple[str, ...]
    evaluation: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    requirements: str
    story: tuple[Entry, ...]


def models_view(platform: Platform, words: str) -> ModelsView:
    """The models whose name holds `words`."""
    like = words.replace("'", "''")
    found = platform.registry.search_models(filter=f"name ILIKE '%{like}%'" if words else "", limit=_MODELS)
    return ModelsView(models=tuple(found.models), words=words, more=found.next_page_token is not None)


def model_view(platform: Platform, name: str) -> ModelView:
    """One model."""
    versions = tuple(platform.registry.versions(name))
    metrics = sorted({key for version in versions[:50] for key in version.metrics})
    model, served = platform.registry.model(name), _served(platform)
    return ModelView(model=model, versions=versions[:200], metrics=tuple(metrics[:4]), served=served)


def version_view(platform: Platform, name: str, number: int) -> VersionView:
    """One version of a model."""
    version = platform.registry.numbered(name, number)
    served = _served(platform).get(version.id, ())
    found = platform.governance.lineage(version.node, direction="up", depth=6)
    edges = [(edge.source, edge.target) for edge in found.edges]
    edges += [(version.node, f"endpoint:{endpoint}") for endpoint in served]
    with platform.metadata.read() as connection:
        story = journal.read_entries(connection, subject=version.node, newest_first=True, limit=_ENTRIES)
    return VersionView(
        version=version,
        run=_run(platform, version.run_id),
        lineage=lineage_drawing(version.node, edges, _Names(platform, version)),
        edges=tuple(edges),
        served=served,
        evaluation=tuple(flat_facts(version.evaluation)),
        environment=tuple(_environment(version.environment)),
        requirements=_requirements(platform, version),
        story=tuple(story),
    )


class _Names:
    """What a node of lineage is called on the page, and where it leads."""

    def __init__(self, platform: Platform, version: ModelVersion) -> None:
        self._platform = platform
        self._version = version

    def __call__(self, node: str) -> tuple[str, str, str]:
        kind, _, name = node.partition(":")
        if node == self._version.node:
            return "model version", f"{self._version.model} {self._version.number}", ""
        if kind == "run":
            run = _run(self._platform, name)
            return "run", run.name if run else name, f"../../runs/{quote(name)}" if run else ""
        if kind == "endpoint":
            return "endpoint", name, f"../../endpoints/{quote(name)}"
        return _KINDS.get(kind, kind.replace("_", " ")), name, ""


def _run(platform: Platform, run_id: str | None) -> Run | None:
    try:
        return platform.tracking.run(run_id) if run_id else None
    except NotFound:
        return None


def _served(platform: Platform) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for endpoint in platform.serving.endpoints():
        route = platform.serving.route(endpoint.name)
        for version_id in route.weights if route else ():
            found[version_id] = (*found.get(version_id, ()), endpoint.name)
    return found


def _requirements(platform: Platform, version: ModelVersion) -> str:
    """The packages that MLflow wrote beside the model; nothing where there are none, the first of very many."""
    if _REQUIREMENTS not in version.files:
        return ""
    try:
        kept = platform.artifacts.open(f"{VERSIONS}/{version.id}/{_REQUIREMENTS}")
        return b"".join(kept.pieces(0, min(kept.size_bytes, _REQUIREMENTS_BYTES))).decode("utf-8", "replace").strip()
    except (NotFound, Corrupt):
        return ""


def _environment(environment: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key, value in environment.items():
        if isinstance(value, dict):
            found += [(f"{key} · {name}", str(inner)) for name, inner in sorted(value.items())]
        else:
            found.append((key, value if isinstance(value, str) else json.dumps(value)))
    return found
