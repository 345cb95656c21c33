"""A small town that rollouts are tried in: real stores, a real prediction log, a clock that the test moves, and a
traffic desk and alias book that keep their state in files (so that a killed process finds them as they were)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tidewheel.base.clock import ReplayClock
from tidewheel.rollout import Rollouts
from tidewheel.storage import Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.predictions import Label, Prediction, PredictionLog, PredictionWriter

MORNING = datetime(2026, 3, 2, 6, tzinfo=UTC)
CHAMPION, CANDIDATE = "ver_old", "ver_new"


@dataclass(frozen=True)
class Split:
    weights: Mapping[str, float]
    shadows: Sequence[str]
    generation: int


class TrafficDesk:
    """Fits `rollout.Traffic`. `lagging` says that workers have not taken the newest split up yet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.lagging = False

    def set_route(self, endpoint: str, weights: Mapping[str, float], shadows: Sequence[str], unit: Any) -> Split:
        book = self._read()
        history = book.setdefault(endpoint, [])
        history.append({"weights": dict(weights), "shadows": list(shadows)})
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(book))
        part.rename(self._file)
        return Split(weights, shadows, len(history))

    def route(self, endpoint: str) -> Split | None:
        history = self.history(endpoint)
        return Split(history[-1]["weights"], history[-1]["shadows"], len(history)) if history else None

    def applied(self, generation: int) -> bool:
        return not self.lagging

    def history(self, endpoint: str) -> list[dict[str, Any]]:
        return self._read().get(endpoint, [])

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}


class AliasBook:
    """Fits `rollout.Aliases`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def promote(self, version_id: str) -> None:
        if self.champion != version_id:
            self._file.write_text(version_id)

    @property
    def champion(self) -> str | None:
        return self._file.read_text() if self._file.exists() else None


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
        (self.folder / "predictions").mkdir(exist_ok=True)
        tables = open_backend("tables", f"file://{self.folder / 'tables'}")
        self.log = PredictionLog(self.folder / "predictions", self.metadata, tables)
        self.traffic = TrafficDesk(self.folder / "traffic.json")
        self.aliases = AliasBook(self.folder / "champion")
        self.rollouts = Rollouts(self.metadata, self.log, self.traffic, self.aliases, self.clock)
        self._writer: PredictionWriter | None = None

    def open_for_business(self) -> None:
        """The champion gets all traffic."""
        self.traffic.set_route(self.endpoint, {CHAMPION: 100.0}, (), None)
        self.aliases.promote(CHAMPION)

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
