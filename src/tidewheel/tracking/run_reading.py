"""The part of `Tracking` that reads: one run, searches, comparisons and the histories of metrics. Changes nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.units import from_us
from tidewheel.storage import Metadata
from tidewheel.tracking import dataset_store, experiment_store, metric_store, store
from tidewheel.tracking.metric_series import MAX_SERIES_POINTS, Series, SeriesAxis, read_series
from tidewheel.tracking.records import (
    DatasetSummary,
    LifecycleStage,
    MetricPoint,
    Run,
    RunComparison,
    RunPage,
    Stage,
)
from tidewheel.tracking.required_run import no_run, require_run
from tidewheel.tracking.run_search import RunSearch
from tidewheel.tracking.run_sheets import RunSheet, read_sheets

_MAX_SUMMARIES = 1000


class RunReading:
    """What runs tell."""

    _metadata: Metadata

    @door("GET", "/tracking/runs/search")
    def search_runs(
        self,
        experiment_ids: list[str] | None = None,
        filter: str = "",  # noqa: A002 - the protocol's word
        order_by: list[str] | None = None,
        limit: int = 1000,
        page_token: str | None = None,
        stage: Stage = "active",
    ) -> RunPage:
        """Runs that fulfil a filter, in order, page by page.

        Args:
            experiment_ids: only runs of these; without it, of all.
            filter: as in ``metrics.auc > 0.8 AND params.depth = '6'``; empty for all.
            order_by: as in ``metrics.auc DESC``; ties go by start, newest first.
            limit: at most this many, up to 50,000.
            page_token: the `next_page_token` of the page before.
            stage: whether deleted ones are meant too, or only they.
        """
        search = RunSearch(experiment_ids, filter, order_by, limit, page_token, stage)
        with self._metadata.read() as connection:
            ids, token = search.run(connection)
            return RunPage(store.find_runs(connection, ids), token)

    def search_sheets(self, search: RunSearch) -> tuple[list[RunSheet], str | None]:
        """As `search_runs`, with all that a protocol shows of a run; and the next page's token."""
        with self._metadata.read() as connection:
            ids, token = search.run(connection)
            return read_sheets(connection, ids), token

    @door("GET", "/tracking/compare")
    def compare(self, run_ids: list[str]) -> RunComparison:
        """Runs side by side: the params and tags in which they differ, and all metrics."""
        with self._metadata.read() as connection:
            found = {run.id: run for run in store.find_runs(connection, run_ids)}
        missing = [run_id for run_id in run_ids if run_id not in found]
        if missing:
            raise no_run(missing[0])
        chosen = [found[run_id] for run_id in run_ids]
        metrics = {key: tuple(run.metrics.get(key) for run in chosen) for key in _keys([r.metrics for r in chosen])}
        params, tags = _differing([run.params for run in chosen]), _differing([run.tags for run in chosen])
        return RunComparison(tuple(run_ids), params, tags, metrics)

    @door("GET", "/tracking/runs/{run_id}")
    def run(self, run_id: str) -> Run:
        """A run with its params, tags and latest metrics."""
        with self._metadata.read() as connection:
            found = store.find_runs(connection, [run_id])
        if not found:
            raise no_run(run_id)
        return found[0]

    def sheet(self, run_id: str) -> RunSheet:
        """As `run`, with all that a protocol shows of it."""
        with self._metadata.read() as connection:
            found = read_sheets(connection, [run_id])
        if not found:
            raise no_run(run_id)
        return found[0]

    @door("GET", "/tracking/runs")
    def runs(self, experiment: str | None = None, limit: int = 100, stage: LifecycleStage = "active") -> list[Run]:
        """The newest runs of an experiment, or of all."""
        with self._metadata.read() as connection:
            found = experiment_store.find_experiment(connection, name=experiment) if experiment is not None else None
            if experiment is not None and found is None:
                raise NotFound(f"There is no experiment {experiment!r}.", fix="`tidewheel experiments ls` lists them.")
            experiment_id = found.id if found else None
            return store.list_runs(connection, experiment_id=experiment_id, stage=stage, limit=limit)

    @door("GET", "/tracking/runs/{run_id}/series")
    def series(
        self,
        run_id: str,
        key: str,
        points: int = 1000,
        axis: SeriesAxis = "step",
        low: float | None = None,
        high: float | None = None,
    ) -> Series:
        """A metric for a chart: at most `points` of its points, chosen so that no peak is lost.

        `low` and `high` bound a stretch of the axis: steps, or seconds since 1970 where the axis is "time".
        """
        if not 1 <= points <= MAX_SERIES_POINTS:
            raise InvalidInput(f"A chart has between 1 and {MAX_SERIES_POINTS} points, not {points}.", where="points")
        with self._metadata.read() as connection:
            require_run(connection, run_id)
            return read_series(connection, run_id, key, points, axis, low, high)

    @door("GET", "/tracking/runs/{run_id}/history")
    def metric_history(self, run_id: str, key: str) -> list[MetricPoint]:
        """All points of a metric, by step and instant."""
        return [MetricPoint(name, value, step, from_us(at_us)) for name, step, at_us, value in self.points(run_id, key)]

    def points(self, run_id: str, key: str, limit: int | None = None, offset: int = 0) -> list[metric_store.Point]:
        """As `metric_history`, as plain numbers (key, step, microseconds, value), and page by page."""
        with self._metadata.read() as connection:
            require_run(connection, run_id)
            return metric_store.metric_history(connection, run_id, key, limit=limit, offset=offset)

    def sampled_points(
        self, run_ids: Sequence[str], key: str, limit: int, low: int | None = None, high: int | None = None
    ) -> dict[str, list[metric_store.Point]]:
        """Points of a metric of several runs at the same steps, some `limit` of them, and each run's first and last."""
        with self._metadata.read() as connection:
            steps, ends = metric_store.sampled_steps(connection, run_ids, key, low, high)
            chosen = _spread(steps, limit) | {step for pair in ends for step in pair}
            return {
                run_id: metric_store.points_at(connection, run_id, key, sorted(chosen), 25_000)
                for run_id in sorted(run_ids)
            }

    def dataset_summaries(self, experiment_ids: Sequence[str]) -> list[DatasetSummary]:
        """The datasets that runs of experiments were given."""
        with self._metadata.read() as connection:
            return dataset_store.summarise_datasets(connection, experiment_ids, _MAX_SUMMARIES)


def _spread(steps: Sequence[int], count: int) -> set[int]:
    """Some `count` of sorted steps, spread evenly over their range."""
    if len(steps) <= count:
        return set(steps)
    low, width = steps[0], (steps[-1] - steps[0]) / count
    return {steps[min(bisect_left(steps, low + width * part), len(steps) - 1)] for part in range(count)}


def _differing(texts: Sequence[Mapping[str, str]]) -> dict[str, tuple[str | None, ...]]:
    rows = {key: tuple(text.get(key) for text in texts) for key in _keys(texts)}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}


def _keys(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})
