"""A small town that rollouts are tried in: real stores, a real prediction log, a clock that the test moves, and a
traffic desk and alias book that keep their books in the same database (so that they commit with a rollout's moves)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from tidewheel.base.clock import ReplayClock
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.rollout import Rollouts
from tidewheel.serving.assignment import order_weights
from tidewheel.storage import Change, Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.predictions import Label, Prediction, PredictionLog, PredictionWriter

MORNING = datetime(2026, 3, 2, 6, tzinfo=UTC)
CHAMPION, CANDIDATE = "ver_old", "ver_new"


_books = sa.MetaData()
_splits = sa.Table(
    "town_splits",
    _books,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("endpoint", sa.Text),
    sa.Column("weights", sa.JSON),
    sa.Column("shadows", sa.JSON),
    sa.Column("entry_id", sa.Text),
)
_champions = sa.Table(
    "town_champions",
    _books,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("version", sa.Text),
    sa.Column("endpoint", sa.Text),
)


@dataclass(frozen=True)
class Split:
    weights: Mapping[str, float]
    shadows: Sequence[str]
    generation: int
    entry_id: str

    @property
    def champion(self) -> str | None:
        return list(self.weights)[-1] if self.weights else None


class TrafficDesk:
    """Fits `rollout.Traffic`. `lagging` says that workers have not taken the newest split up yet; `refused` are those
    versions that cannot answer, and `misfits` those that ask for what nobody gives."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self.lagging = False
        self.refused: set[str] = set()
        self.misfits: set[str] = set()

    def prepare(self, version_ids: Sequence[str]) -> None:
        for version in version_ids:
            if version in self.refused:
                raise NotFound(f"There is no model version {version!r}.")

    def check_candidate(self, endpoint: str, champion: str, candidate: str) -> None:
        if candidate in self.misfits:
            raise InvalidInput(f"{candidate} requires inputs that requests to {endpoint!r} do not give: rain.")

    def change_route(
        self,
        change: Change,
        endpoint: str,
        weights: Mapping[str, float],
        shadows: Sequence[str],
        unit: Any = None,
        *,
        new_endpoint: bool = False,
    ) -> None:
        newest = self._read(change.connection, endpoint)[-1:]
        if newest and (newest[0].weights, newest[0].shadows) == (dict(weights), list(shadows)):
            return
        before = list(newest[0].weights) if newest else []
        ordered = order_weights(before, weights)
        entry_id = change.emit("town.split.changed", f"endpoint:{endpoint}", {"weights": ordered})
        row = {"endpoint": endpoint, "weights": list(ordered.items()), "shadows": list(shadows), "entry_id": entry_id}
        change.execute(_splits.insert().values(**row))

    def publish(self) -> int:
        return 0

    def set_by(self, actor: str, endpoint: str, weights: Mapping[str, float]) -> None:
        """Somebody sets a split past the rollouts, as over serving's own door."""
        with self._metadata.change(actor=actor) as change:
            self.change_route(change, endpoint, weights, ())

    def route(self, endpoint: str, change: Change | None = None) -> Split | None:
        found = self._read(change.connection, endpoint)[::-1] if change else self.history(endpoint, 1)
        return next(iter(found), None)

    def history(self, endpoint: str, limit: int = 1000) -> list[Split]:
        with self._metadata.read() as connection:
            return self._read(connection, endpoint)[::-1][:limit]

    def applied(self, generation: int) -> bool:
        return not self.lagging

    def _read(self, connection: sa.Connection, endpoint: str) -> list[Split]:
        query = sa.select(_splits).where(_splits.c.endpoint == endpoint).order_by(_splits.c.number)
        return [Split(dict(row.weights), row.shadows, row.number, row.entry_id) for row in connection.execute(query)]


class AliasBook:
    """Fits `rollout.Aliases`: one model, whose champion every endpoint may move."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def follow(self, change: Change, endpoint: str, version_id: str, before: str | None) -> None:
        change.execute(_champions.insert().values(version=version_id, endpoint=endpoint))

    @property
    def champion(self) -> str | None:
        with self._metadata.read() as connection:
            query = sa.select(_champions.c.version).order_by(_champions.c.number.desc()).limit(1)
            found: str | None = connection.scalar(query)
            return found


@dataclass(frozen=True)
class Behaviour:
    """How a version acts: its failure rate, its latencies (ms) and the label values that its answers lead to."""

    fails: float = 0.0
    latency_ms: Callable[[np.random.Generator], float] = lambda rng: float(rng.lognormal(0.5, 0.4))
    values: Callable[[np.random.Generator], dict[str, float]] = lambda rng: {"accepted": float(rng.random() < 0.5)}


@dataclass
class Town:
    folder: Path
    endpoint: str = "surge"
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))
    served: int = 0

    def __post_init__(self) -> None:
        clock_file = self.folder / "clock"
        self.clock = ReplayClock(clock_file, None if clock_file.exists() else MORNING)
        self.metadata = Metadata(sqlite_url(self.folder / "metadata.db"), self.clock)
        schema.create_all(self.metadata.engine)
        _books.create_all(self.metadata.engine)
        (self.folder / "predictions").mkdir(exist_ok=True)
        tables = open_backend("tables", f"file://{self.folder / 'tables'}")
        self.log = PredictionLog(self.folder / "predictions", self.metadata, tables)
        self.traffic = TrafficDesk(self.metadata)
        self.aliases = AliasBook(self.metadata)
        self.rollouts = Rollouts(self.metadata, self.log, self.traffic, self.aliases, self.clock)
        self._writer: PredictionWriter | None = None

    def open_for_business(self) -> None:
        """The champion gets all traffic."""
        with self.metadata.change() as change:
            self.traffic.change_route(change, self.endpoint, {CHAMPION: 100.0}, ())
            self.aliases.follow(change, self.endpoint, CHAMPION, None)

    def serve(
        self,
        requests: int,
        behaviours: Mapping[str, Behaviour],
        *,
        every: timedelta = timedelta(seconds=1),
        unit: Callable[[int], str] | None = None,
    ) -> None:
        """Answer requests by the present split, one at a time, each labelled at once; the clock moves along."""
        split = self.traffic.route(self.endpoint)
        assert split is not None
        versions = list(split.weights)
        shares = np.array([split.weights[v] for v in versions]) / 100
        for _ in range(requests):
            self.clock.advance_to(self.clock.now() + every)
            request_id = f"q{self.served}"
            self.served += 1
            key = unit(self.served) if unit else request_id
            point = self.rng.random() if unit is None else _point(key)
            version = versions[int(np.searchsorted(np.cumsum(shares), point))]
            self._answer(request_id, version, "live", key, behaviours[version])
            for shadow in split.shadows:
                self._answer(request_id, shadow, "shadow", key, behaviours[shadow])

    def walk(self, behaviours: Mapping[str, Behaviour], rollout_id: str, *, rounds: int, requests: int = 100) -> None:
        """Serve and tick in turn until the rollout has ended or the rounds are over."""
        for _ in range(rounds):
            self.serve(requests, behaviours)
            self.rollouts.tick()
            if not self.rollouts.get(rollout_id).running:
                return

    def label(self, prediction_id: str, values: dict[str, float]) -> None:
        self.writer.append(Label(prediction_id, self.clock.now_us(), values))

    @property
    def writer(self) -> PredictionWriter:
        if self._writer is None:
            self._writer = PredictionWriter(self.folder / "predictions", "test", 2**20)
        return self._writer

    def predict(self, **fields: Any) -> None:
        """Log one prediction as it stands."""
        plain = {"at_us": self.clock.now_us(), "endpoint": self.endpoint, "arm": "live", "unit": "", "status": 200}
        rest = {"latency_us": 900, "entities": {}, "features": b"", "outputs": np.array([0.5]).tobytes()}
        self.writer.append(Prediction(**{**plain, **rest, **fields}))

    def _answer(self, request_id: str, version: str, arm: str, unit: str, how: Behaviour) -> None:
        failed = self.rng.random() < how.fails
        latency_us = round(how.latency_ms(self.rng) * 1000)
        status = 500 if failed else 200
        self.predict(id=request_id, version=version, arm=arm, unit=unit, status=status, latency_us=latency_us)
        if arm == "live" and not failed:
            self.label(request_id, how.values(self.rng))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.seal()
        self.metadata.close()


def _point(key: str) -> float:
    return np.random.default_rng(abs(hash(key)) % 2**32).random() if key else 0.0
