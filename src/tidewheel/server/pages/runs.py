"""`/runs/{id}`: one run with all it logged. Reads, decides nothing.

Charts and the least and greatest of each metric need every point; they are drawn here as long as that is quick, and
left to the charts' own requests beyond.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from markupsafe import Markup

from tidewheel.server.pages.charts import SeriesShelf, Stretch
from tidewheel.server.pages.logged_models import LoggedModelLine, logged_model_lines
from tidewheel.server.pages.run_columns import commit, lasted, source
from tidewheel.server.pages.sparkline import sparkline
from tidewheel.tracking.records import PARENT_RUN_TAG

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.registry import ModelVersion
    from tidewheel.tracking import DatasetInput, Run
    from tidewheel.tracking.metric_series import Series

CHARTS = 24
_QUICK_S = 0.25
_SPARK = Stretch(points=160)
_HIDDEN = "mlflow."
_SMALL = 3  # a heading is not worth fewer charts
_CONTEXT = "mlflow.data.context"
_PLACES = ("uri", "url", "path", "table_name", "delta_table_name", "sql")
_NOTE = "mlflow.note.content"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric: its latest value, and what its points say where they were read."""

    key: str
    last: float
    lowest: float | None
    highest: float | None
    total: int | None
    drawing: Markup | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartGroup:
    """Charts of metrics that share what stands before the slash."""

    name: str
    rows: tuple[MetricRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLine:
    """Something that a run built on, as the journal's lineage names it."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLine:
    """A dataset that a run was given; `source` is where its client says it lies, as far as that can be told."""

    name: str
    digest: str
    context: str
    source: str
    source_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The whole page."""

    run: Run
    note: str
    duration: str
    source: str
    commit: str
    parent: str
    groups: tuple[ChartGroup, ...]
    metrics: tuple[MetricRow, ...]
    words: str
    more: str | None
    params: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    inputs: tuple[InputLine, ...]
    datasets: tuple[DatasetLine, ...]
    models: tuple[LoggedModelLine, ...]
    versions: tuple[ModelVersion, ...]
    read_at: datetime


def run_view(platform: Platform, shelf: SeriesShelf, run_id: str, words: str = "", start: int = 0) -> RunView:
    """One run; of its metrics those whose name holds `words`, charts from number `start` on."""
    run = platform.tracking.run(run_id)
    keys = sorted(key for key in run.metrics if words.lower() in key.lower())
    charted = keys[start : start + CHARTS]
    rows = _rows(shelf, run, charted)
    rest = tuple(_row(run, key, None) for key in keys if key not in set(charted))
    asked = {"metric": words, "start": start + CHARTS} if words else {"start": start + CHARTS}
    return RunView(
        run=run,
        note=run.tags.get(_NOTE, ""),
        duration=lasted(run),
        source=source(run.tags),
        commit=commit(run.tags),
        parent=run.tags.get(PARENT_RUN_TAG, ""),
        groups=_groups(rows),
        metrics=tuple(sorted((*rows, *rest), key=lambda row: row.key)),
        words=words,
        more="?" + urlencode(asked) + "#charts" if len(keys) > start + CHARTS else None,
        params=tuple(sorted(run.params.items())),
        tags=tuple(sorted((key, text) for key, text in run.tags.items() if not key.startswith(_HIDDEN))),
        inputs=tuple(InputLine(kind=node.partition(":")[0], name=node.partition(":")[2]) for node in run.inputs),
        datasets=tuple(_dataset(dataset) for dataset in run.datasets),
        models=logged_model_lines(platform, run),
        versions=_versions(platform, run.id),
        read_at=platform.clock.now(),
    )


def _rows(shelf: SeriesShelf, run: Run, keys: list[str]) -> list[MetricRow]:
    began, rows = time.monotonic(), []
    for key in keys:
        quick = time.monotonic() - began < _QUICK_S
        rows.append(_row(run, key, shelf.series(run, key, _SPARK) if quick else None))
    return rows


def _row(run: Run, key: str, series: Series | None) -> MetricRow:
    return MetricRow(
        key=key,
        last=run.metrics[key],
        lowest=series.lowest if series else None,
        highest=series.highest if series else None,
        total=series.total if series else None,
        drawing=sparkline(series) if series else None,
    )


def _groups(rows: list[MetricRow]) -> tuple[ChartGroup, ...]:
    """Metrics by what stands before their first slash, plain ones first and those of the system last."""
    found: dict[str, list[MetricRow]] = {}
    for row in rows:
        found.setdefault(row.key.partition("/")[0] if "/" in row.key else "", []).append(row)
    for name in [name for name, group in found.items() if name not in ("", "system") and len(group) < _SMALL]:
        found.setdefault("", []).extend(found.pop(name))
    names = sorted(found, key=lambda name: (name == "system", name))
    return tuple(ChartGroup(name=name, rows=tuple(found[name])) for name in names)


def _dataset(dataset: DatasetInput) -> DatasetLine:
    return DatasetLine(
        name=dataset.name,
        digest=dataset.digest,
        context=dataset.tags.get(_CONTEXT, ""),
        source=_place(dataset.source),
        source_type=dataset.source_type,
    )


def _place(source: str) -> str:
    """The address within a source; clients write it as JSON under a name that goes with its type."""
    try:
        told = json.loads(source)
    except (ValueError, RecursionError):
        return source
    if not isinstance(told, dict):
        return source
    found = [told[name] for name in _PLACES if isinstance(told.get(name), str)]
    return found[0] if found else "" if "tags" in told else source


def _versions(platform: Platform, run_id: str) -> tuple[ModelVersion, ...]:
    text = run_id.replace("'", "''")
    return platform.registry.search_versions(filter=f"run_id = '{text}'", limit=50).versions
