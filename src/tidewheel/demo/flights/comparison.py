"""The loop beside a model never retrained and one retrained by the calendar: the same flights, the same features.

The rows come from the platform's own point-in-time join, after the replay; the loop's answers are those that the
workers gave while it ran. Called by `run.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidewheel.app import Platform
from tidewheel.demo.flights.hold import LOOP
from tidewheel.demo.flights.records import INSTANT
from tidewheel.demo.flights.replay import Replay
from tidewheel.demo.flights.schedules import calendar, predict_by_schedule
from tidewheel.demo.flights.scoring import Score, score, score_by_month
from tidewheel.demo.flights.timetable import local_month, micros
from tidewheel.loop import TurnState

POLICIES = ("loop", "never", "4-weekly")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainings:
    """How often a policy trained after the first model, and how many of those models went on to serve."""

    attempted: int
    promoted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Scores by policy: over everything, and by month of 2013 (1..12). `unlabelled` flights never landed."""

    overall: dict[str, Score]
    by_month: dict[int, dict[str, Score]]
    trainings: dict[str, Trainings]
    unlabelled: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def training_rows(until: datetime) -> pa.Table:
    """All flights due before `until`, with the features that the platform's join gives them."""
    from tidewheel.demo.flights.project import flights, late_features

    return late_features.training_rows(flights, until=until).table()


def compare(platform: Platform, replay: Replay, rows: pa.Table) -> Comparison:
    """Train and score the two other policies on the rows, and score what the loop answered."""
    days = calendar(replay.since, replay.until)
    chances = {
        "loop": _answered(replay, rows),
        "never": predict_by_schedule(rows, days[:1]),
        "4-weekly": predict_by_schedule(rows, days),
    }
    late = np.asarray(rows["late"].to_numpy(), dtype=np.float64)
    month = local_month(micros(rows["scheduled_departure_at"]))
    monthly = {policy: score_by_month(late, chance, month) for policy, chance in chances.items()}
    asked = pc.greater_equal(rows["scheduled_departure_at"], pa.scalar(replay.since, type=INSTANT)).to_numpy()
    return Comparison(
        overall={policy: score(late, chance) for policy, chance in chances.items()},
        by_month={m: {policy: monthly[policy][m] for policy in POLICIES} for m in monthly["loop"]},
        trainings={
            "loop": _turns(platform),
            "never": Trainings(attempted=0, promoted=0),
            "4-weekly": Trainings(attempted=len(days) - 1, promoted=len(days) - 1),
        },
        unlabelled=int(np.count_nonzero(asked & np.isnan(late))),
    )


def _answered(replay: Replay, rows: pa.Table) -> np.ndarray[Any, Any]:
    """The loop's answers in the order of the rows; NaN for a flight that it was not asked about, or did not answer."""
    places = pc.index_in(rows["flight_id"], value_set=replay.timetable.flights["flight_id"].combine_chunks())
    chance: np.ndarray[Any, Any] = replay.chance[places.to_numpy()]
    return chance


def _turns(platform: Platform) -> Trainings:
    """The loop's trainings but the first, which made the first champion."""
    turns = [turn for turn in platform.loop.history(LOOP, limit=1000)[:-1] if turn.pipeline_run_id is not None]
    promoted = sum(turn.state is TurnState.PROMOTED for turn in turns)
    return Trainings(attempted=len(turns), promoted=promoted)
