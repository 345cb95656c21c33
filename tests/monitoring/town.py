"""A made-up town for monitors: hourly seasons, a calibrated model, shifts at will; and the room over real stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tidewheel.base.clock import ReplayClock
from tidewheel.base.settings import Settings
from tidewheel.base.units import from_us, to_us
from tidewheel.monitoring import Alert, Bias, ConceptDrift, DataDrift, Monitor, Monitoring, PredictionDrift, store
from tidewheel.registry import Registry, Signature
from tidewheel.storage import Metadata, open_backend
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.storage.predictions import Label, Prediction, PredictionLog, PredictionWriter

HOUR_US = 3_600_000_000
STARTS_AT = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
FEATURES = ("drivers", "rain", "fare")
MONITORS: tuple[Monitor, ...] = (ConceptDrift(), Bias(), DataDrift(), PredictionDrift())


@dataclass(frozen=True, slots=True)
class Truth:
    """What a label is: its name, and the output that predicts it."""

    name: str = "accepted"
    prediction: str | None = "p_accept"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows in order of time: instants, features (n, 3), the model's outputs (n, 2), and what came of them."""

    at_us: np.ndarray
    features: np.ndarray
    outputs: np.ndarray
    accepted: np.ndarray

    def between(self, since_us: int, until_us: int) -> Traffic:
        span = slice(*np.searchsorted(self.at_us, [since_us, until_us]))
        return Traffic(self.at_us[span], self.features[span], self.outputs[span], self.accepted[span])


def traffic(
    seed: int,
    starts_at: datetime = STARTS_AT,
    hours: float = 24,
    *,
    per_hour: int = 60,
    colder_from_h: float = np.inf,
    drivers_added: float = 0.0,
) -> Traffic:
    """Hours of a town. From `colder_from_h` on riders accept less at the same features: the concept has shifted."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(per_hour * hours)
    hour = np.sort(rng.uniform(0, hours, n))
    season = np.sin(2 * np.pi * (hour + starts_at.hour) / 24)
    luck = rng.normal(0, 0.3, int(hours) + 1)[hour.astype(int)]
    drivers = rng.normal(8 + 4 * season + luck, 2) + drivers_added
    rain = np.where(rng.random(n) < 0.1, np.nan, rng.gamma(1.0, 1.0 + 0.5 * (season > 0.5), n))
    fare = rng.lognormal(2.5, 0.3, n)
    appetite = 0.25 * (drivers - 8) - 0.05 * (fare - 12)
    p, truth = 1 / (1 + np.exp(-appetite)), 1 / (1 + np.exp(1.2 * (hour >= colder_from_h) - appetite))
    at_us = to_us(starts_at) + (hour * HOUR_US).astype(np.int64)
    accepted = (rng.random(n) < truth).astype(float)
    return Traffic(at_us, np.column_stack([drivers, rain, fare]), np.column_stack([1 + p, p]), accepted)


class Town:
    """The room, what it stands on, and a street that logs traffic as workers would."""

    def __init__(self, metadata: Metadata, clock: ReplayClock, home: Path, *, name: str = "w0") -> None:
        self.metadata, self.clock, self.home = metadata, clock, home
        self.log = PredictionLog(home / "predictions", metadata, open_backend("tables", f"file://{home}/tables"))
        self.registry = Registry(metadata, LocalBlobs(home / "blobs"), clock)
        self.writer = PredictionWriter(home / "predictions", name)
        self.monitoring = self.controller()
        self.version = ""
        self._name, self._count = name, 0

    def controller(self, sketch_s: int = 60) -> Monitoring:
        """Another process's monitoring room on the same stores."""
        settings = Settings({"monitoring.sketch_s": sketch_s})
        return Monitoring(self.metadata, self.log, self.registry, self.clock, settings)

    def register(self, reference: Traffic | None) -> str:
        folder = self.home / "model"
        folder.mkdir(exist_ok=True)
        (folder / "model.txt").write_text("tree")
        signature = Signature.of(FEATURES, ["multiplier", "p_accept"])
        table = None
        if reference is not None:
            columns = {name: reference.features[:, place] for place, name in enumerate(FEATURES)}
            columns |= {"output.multiplier": reference.outputs[:, 0], "output.p_accept": reference.outputs[:, 1]}
            table = pa.table({**columns, "at": pa.array(reference.at_us, pa.timestamp("us", "UTC"))})
        return self.registry.register(
            "surge", format="lightgbm", folder=folder, signature=signature, reference=table
        ).id

    def open(self, *, days: float = 21, monitors: Sequence[Monitor] = MONITORS, per_hour: int = 60) -> str:
        """Register a version trained on the days before now, and watch it."""
        starts_at = self.clock.now() - timedelta(days=days)
        self.version = self.register(traffic(999, starts_at, days * 24, per_hour=per_hour))
        self.monitoring.watch("surge", self.version, monitors, Truth())
        return self.version

    def send(self, rows: Traffic, *, labelled: bool = True, arm: str = "live") -> None:
        """Log rows, each with its label a minute later."""
        features, outputs = rows.features.astype("<f8"), rows.outputs.astype("<f8")
        for place, at_us in enumerate(rows.at_us.tolist()):
            self._count += 1
            name = f"{self._name}-{self._count}"
            values = (features[place].tobytes(), outputs[place].tobytes())
            self.writer.append(Prediction(name, at_us, "surge", self.version, arm, "u", 200, 900, {}, *values))
            if labelled:
                self.writer.append(Label(name, at_us + 60_000_000, {"accepted": float(rows.accepted[place])}))

    def live(self, rows: Traffic, *, every_h: float = 1.0) -> list[Alert]:
        """Let the rows happen: a stretch of time is logged, the clock moves to its end, the room runs."""
        raised, at_us = [], self.clock.now_us()
        while at_us < rows.at_us[-1]:
            until_us = at_us + round(every_h * HOUR_US)
            self.send(rows.between(at_us, until_us))
            self.clock.advance_to(from_us(until_us))
            raised += self.monitoring.run()
            at_us = until_us
        return raised

    def counted(self) -> np.ndarray:
        """How often each column's values have been counted, over all sketches of the version."""
        rows = self.monitoring.report()
        assert rows
        with self.metadata.read() as connection:
            stored = store.read_sketches(connection, "surge", self.version, 0, 1 << 62)
        columns = len(FEATURES) + 3
        return sum(
            (np.frombuffer(each, "<i4").reshape(columns, -1).sum(axis=1) for _, each in stored), np.zeros(columns)
        )

    def seen(self, monitor: str = "bias") -> int:
        """The labels that a monitor has taken."""
        return next(reading.seen for reading in self.monitoring.report() if reading.monitor == monitor)
