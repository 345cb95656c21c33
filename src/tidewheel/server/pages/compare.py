"""`/compare?runs=a,b,c`: runs side by side, what differs first. Reads, decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from tidewheel.base.errors import InvalidInput
from tidewheel.server.pages.figures import measured
from tidewheel.server.pages.parallel import Axis, parallel
from tidewheel.server.pages.scatter import scatter

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.tracking import Run

MOST_RUNS = 20
_MOST_AXES = 9
_MOST_CHARTS = 12


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """A value of one run; `best` says whether it is the lowest or the highest of the row."""

    text: str
    end: str = ""


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A param, tag or metric over all runs."""

    key: str
    cells: tuple[ComparedCell, ...]
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareView:
    """The whole page."""

    runs: tuple[Run, ...]
    without: tuple[str, ...]
    params: tuple[ComparedRow, ...]
    alike: int
    metrics: tuple[ComparedRow, ...]
    tags: tuple[ComparedRow, ...]
    charted: tuple[str, ...]
    everything: bool
    parallel: Markup
    scatter: Markup
    places: tuple[str, ...]
    x: str
    y: str
    ids: str


def compare_view(platform: Platform, run_ids: Sequence[str], everything: bool, x: str, y: str) -> CompareView:
    """The runs of these ids, in this order."""
    ids = list(dict.fromkeys(run_id for run_id in run_ids if run_id))
    if not 2 <= len(ids) <= MOST_RUNS:
        raise InvalidInput(
            f"{len(ids)} runs cannot be compared.",
            fix=f"Choose between 2 and {MOST_RUNS} in the table of an experiment.",
        )
    runs = tuple(platform.tracking.run(run_id) for run_id in ids)
    params = _texts([run.params for run in runs])
    metrics = tuple(_metric(key, runs) for key in _keys([run.metrics for run in runs]))
    tags = _texts([{k: v for k, v in run.tags.items() if not k.startswith("mlflow.")} for run in runs])
    axes = _axes(runs, params, metrics)
    named = {axis.name: axis for axis in axes}
    x, y = (x if x in named else next(iter(named), "")), (y if y in named else next(reversed(named), ""))
    return CompareView(
        runs=runs,
        without=tuple(",".join(other for other in ids if other != run_id) for run_id in ids),
        params=tuple(row for row in params if everything or row.differs),
        alike=sum(not row.differs for row in params),
        metrics=metrics,
        tags=tuple(row for row in tags if everything or row.differs),
        charted=tuple(row.key for row in metrics)[:_MOST_CHARTS],
        everything=everything,
        parallel=parallel([run.name for run in runs], _chosen(axes)),
        scatter=scatter([run.name for run in runs], named[x], named[y]) if named else Markup(""),
        places=tuple(named),
        x=x,
        y=y,
        ids=",".join(ids),
    )


def _keys(mappings: Sequence[object]) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})  # type: ignore[attr-defined]


def _texts(texts: Sequence[dict[str, str]]) -> tuple[ComparedRow, ...]:
    rows = []
    for key in _keys(texts):
        values = [text.get(key) for text in texts]
        cells = tuple(ComparedCell("–" if value is None else value) for value in values)
        rows.append(ComparedRow(key, cells, len(set(values)) > 1))
    return tuple(rows)


def _metric(key: str, runs: Sequence[Run]) -> ComparedRow:
    values = [run.metrics.get(key) for run in runs]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    differs = len(set(finite)) > 1

    def end(value: float | None) -> str:
        if not differs or value is None:
            return ""
        return "lowest" if value == min(finite) else "highest" if value == max(finite) else ""

    cells = tuple(ComparedCell("–" if value is None else measured(value), end(value)) for value in values)
    return ComparedRow(key, cells, differs)


def _axes(runs: Sequence[Run], params: Sequence[ComparedRow], metrics: Sequence[ComparedRow]) -> list[Axis]:
    """The params in which the runs differ, then the metrics in which they do."""
    found = [Axis.of(row.key, [run.params.get(row.key) for run in runs]) for row in params if row.differs]
    for row in metrics:
        if row.differs and not row.key.startswith("system/"):
            values = [run.metrics.get(row.key) for run in runs]
            found.append(Axis.of(row.key, [None if v is None or not math.isfinite(v) else repr(v) for v in values]))
    return found


def _chosen(axes: list[Axis]) -> list[Axis]:
    """As many as can be read: the params first, and always some metrics at the end."""
    return axes if len(axes) <= _MOST_AXES else [*axes[: _MOST_AXES - 4], *axes[-4:]]
