"""Reads the whole history of many runs' metrics in few calls.

A database is asked for all points of a hundred runs. A server answers one key for many runs at once, but cuts the
answer at a size without a word; so an answer that reaches the size is asked again in halves, and a single run that
reaches it is read page by page. Called by `runs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tidewheel.migrate.points_store import points_of_runs
from tidewheel.migrate.reading import answering
from tidewheel.migrate.source import Source
from tidewheel.migrate.source_records import Point, SourceRun

_SERVER_LIMIT = 25_000  # points that MLflow's server puts into one answer
_RUNS_A_CALL = 100
_BULK_PATH = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"

Bulk = Callable[[Sequence[str], str], list[tuple[str, Point]] | None]


@dataclass(slots=True)
class Histories:
    """The way to histories at one source; a way that turns out not to be there is not tried twice."""

    source: Source
    bulk: Bulk | None = None
    limit: int = 0

    @classmethod
    def of(cls, source: Source) -> Histories:
        """The quickest way that the source has."""
        if source.address.kind == "server":
            return cls(source, _ServerBulk(source), _SERVER_LIMIT)
        return cls(source)

    def read(self, runs: Sequence[SourceRun]) -> dict[str, list[Point]]:
        """Every point of these runs, by run, once."""
        if self.source.address.kind in ("sqlite", "database") and runs:
            with answering(self.source):
                return points_of_runs(self.source.client._tracking_client.store, [run.id for run in runs])
        return {run_id: _once(points) for run_id, points in self._by_key(runs).items()}

    def _by_key(self, runs: Sequence[SourceRun]) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {run.id: [] for run in runs}
        owners: dict[str, list[str]] = {}
        for run in runs:
            for key, *_ in run.latest:
                owners.setdefault(key, []).append(run.id)
        for key, run_ids in owners.items():
            for start in range(0, len(run_ids), _RUNS_A_CALL):
                for run_id, point in self._of_key(run_ids[start : start + _RUNS_A_CALL], key):
                    found[run_id].append(point)
        return found

    def _of_key(self, run_ids: Sequence[str], key: str) -> Iterable[tuple[str, Point]]:
        if self.bulk is None:
            return [(run_id, point) for run_id in run_ids for point in self._of_run(run_id, key)]
        with answering(self.source):
            answer = self.bulk(run_ids, key)
        if answer is None:
            self.bulk = None
            return self._of_key(run_ids, key)
        if len(answer) < self.limit:
            return answer
        if len(run_ids) == 1:
            return [(run_ids[0], point) for point in self._of_run(run_ids[0], key)]
        middle = len(run_ids) // 2
        return [*self._of_key(run_ids[:middle], key), *self._of_key(run_ids[middle:], key)]

    def _of_run(self, run_id: str, key: str) -> Iterator[Point]:
        with answering(self.source):
            history = self.source.client.get_metric_history(run_id, key)
        for metric in history:
            yield metric.key, metric.value, metric.timestamp, metric.step


def _once(points: list[Point]) -> list[Point]:
    """Files may hold a line twice, databases may not. NaN equals nothing, so it is told by its name."""
    seen = {(key, value if value == value else "nan", at_ms, step): None for key, value, at_ms, step in points}
    return [(key, float(value), at_ms, step) for key, value, at_ms, step in seen]


@dataclass(slots=True)
class _ServerBulk:
    source: Source

    def __call__(self, run_ids: Sequence[str], key: str) -> list[tuple[str, Point]] | None:
        """None where the server has no such call."""
        rest: Any = import_module("mlflow.utils.rest_utils")
        credentials: Any = import_module("mlflow.utils.credentials")
        answer = rest.http_request(
            credentials.get_default_host_creds(self.source.uri),
            _BULK_PATH,
            "GET",
            params={"run_id": list(run_ids), "metric_key": key, "max_results": _SERVER_LIMIT},
        )
        if answer.status_code != 200:
            return None
        return [
            (m["run_id"], (m["key"], float(m["value"]), m["timestamp"], m["step"])) for m in answer.json()["metrics"]
        ]
