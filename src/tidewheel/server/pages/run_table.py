"""`/experiments/{id}`: a page of an experiment's runs as a table, found, sorted and cut by the search. Decides nothing.

A filter that cannot be read is no error of the page: the table stays empty and says beside the filter what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from tidewheel.base.errors import InvalidInput
from tidewheel.server.pages.run_columns import KINDS, RunColumn, choices, next_order, read_columns, usual_columns
from tidewheel.server.pages.run_search import RunQuery, query_of
from tidewheel.tracking.records import PARENT_RUN_TAG

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.tracking import Experiment, Run, SavedView
    from tidewheel.tracking.view_records import ExperimentCounts

ROWS = 50
_NOTE = "mlflow.note.content"


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one column of one run; `bar`, in percent, shows where it lies in the column that is sorted by."""

    text: str
    numeric: bool
    at: datetime | None = None
    bar: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of the table."""

    id: str
    name: str
    status: str
    deleted: bool
    parent: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column; `address` sorts by it, if it can be sorted by."""

    title: str
    kind: str
    numeric: bool
    address: str | None
    sorted: Literal["ascending", "descending", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A column that may be shown."""

    spec: str
    title: str
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLink:
    """A saved view."""

    id: str
    name: str
    address: str
    saved_by: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTableView:
    """The whole page."""

    experiment: Experiment
    note: str
    counts: ExperimentCounts | None
    matching: int | None
    query: RunQuery
    refused: InvalidInput | None
    heads: tuple[Head, ...]
    rows: tuple[RunRow, ...]
    choices: tuple[tuple[str, tuple[Choice, ...]], ...]
    views: tuple[ViewLink, ...]
    following: str | None
    preceding: str | None
    example: str


def run_table_view(platform: Platform, experiment_id: str, query: RunQuery) -> RunTableView:
    """One page of an experiment's runs."""
    experiment = platform.experiments.experiment(experiment_id)
    runs, token, refused = _search(platform, experiment_id, query)
    keys = platform.views.keys(experiment_id)
    columns = read_columns(query.columns) or usual_columns(runs, keys)
    shown = {column.spec for column in columns}
    offered = choices(keys)
    saved = platform.views.views(experiment_id)
    metric = next((key for key in keys.metrics if not key.startswith("system/")), "loss")
    return RunTableView(
        experiment=experiment,
        note=experiment.tags.get(_NOTE, ""),
        counts=standing(platform, experiment_id),
        matching=None if refused or not query.filter else _matching(platform, experiment_id, query, len(runs), token),
        query=query,
        refused=refused,
        heads=tuple(_head(column, query) for column in columns),
        rows=_rows(runs, columns, query),
        choices=tuple((kind, _choices(offered[kind], shown)) for kind in KINDS if offered[kind]),
        views=tuple(_link(view, query) for view in saved),
        following=query.following(token) if token else None,
        preceding=query.preceding(),
        example=RunColumn("metrics", metric).order or "",
    )


def standing(platform: Platform, experiment_id: str) -> ExperimentCounts | None:
    """How many runs an experiment has, and how many are running; None while it has none."""
    return next(iter(platform.views.counts(experiment_id)), None)


def _matching(platform: Platform, experiment_id: str, query: RunQuery, found: int, token: str | None) -> int:
    """How many runs a filter fits; a first page that holds them all tells it by itself."""
    if token is None and not query.token:
        return found
    return platform.views.matching(experiment_id, query.filter, query.stage)


def _search(
    platform: Platform, experiment_id: str, query: RunQuery
) -> tuple[list[Run], str | None, InvalidInput | None]:
    try:
        found = platform.tracking.search_runs(
            [experiment_id],
            filter=query.filter,
            order_by=[query.order] if query.order else None,
            limit=ROWS,
            page_token=query.token or None,
            stage=query.stage,
        )
    except InvalidInput as error:
        return [], None, error
    return found.runs, found.next_page_token, None


def _head(column: RunColumn, query: RunQuery) -> Head:
    order, way = next_order(column, query.order)
    address = query.address(order=order) if column.order else None
    return Head(title=column.title, kind=column.kind, numeric=column.numeric, address=address, sorted=way)


def _rows(runs: list[Run], columns: tuple[RunColumn, ...], query: RunQuery) -> tuple[RunRow, ...]:
    bars = {column: _scale(runs, column) for column in columns if next_order(column, query.order)[1] != "none"}
    return tuple(
        RunRow(
            id=run.id,
            name=run.name,
            status=run.status,
            deleted=run.lifecycle_stage == "deleted",
            parent=run.tags.get(PARENT_RUN_TAG, ""),
            cells=tuple(_cell(run, column, bars.get(column)) for column in columns),
        )
        for run in runs
    )


def _scale(runs: list[Run], column: RunColumn) -> tuple[float, float] | None:
    """From where to where the values of a metric reach on this page; None where bars would say nothing."""
    if column.kind != "metrics":
        return None
    values = [run.metrics[column.key] for run in runs if column.key in run.metrics]
    finite = [value for value in values if abs(value) < float("inf")]
    return (min(0.0, *finite), max(0.0, *finite)) if len(finite) > 1 else None


def _cell(run: Run, column: RunColumn, scale: tuple[float, float] | None) -> Cell:
    if column.kind == "attributes" and column.key == "start_time":
        return Cell("", False, at=run.started_at)
    value, bar = run.metrics.get(column.key), None
    if scale and value is not None and abs(value) < float("inf") and scale[1] > scale[0]:
        bar = 100 * (value - scale[0]) / (scale[1] - scale[0])
    return Cell(column.text(run), column.numeric, bar=bar)


def _choices(columns: tuple[RunColumn, ...], shown: set[str]) -> tuple[Choice, ...]:
    return tuple(Choice(spec=each.spec, title=each.title, shown=each.spec in shown) for each in columns)


def _link(view: SavedView, query: RunQuery) -> ViewLink:
    asked = query_of(view)
    current = view.id == query.view
    return ViewLink(id=view.id, name=view.name, address=asked.address(), saved_by=view.saved_by, current=current)
