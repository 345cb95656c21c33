"""The two policies that the loop is printed beside: a model never retrained, and one retrained by the calendar.

Both are worked out after the replay from the rows that the platform's own point-in-time join gave, so all three
see the same features. A model trained at an instant learns only from flights that had landed before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidewheel.demo.flights.model import fit, predict_late
from tidewheel.demo.flights.records import INSTANT

FIRST_TRAINING_AFTER: Final = timedelta(weeks=8)
"""All three policies begin with the same model, trained on the first eight weeks of the year."""
RETRAIN_EVERY: Final = timedelta(weeks=4)


def calendar(first: datetime, end: datetime, every: timedelta = RETRAIN_EVERY) -> list[datetime]:
    """The instants of training: `first`, then `every` so often until `end`, which is left out."""
    return [first + every * n for n in range(-((first - end) // every))]


def predict_by_schedule(rows: pa.Table, trainings: Sequence[datetime], *, threads: int = 1) -> NDArray[np.float64]:
    """Each row's probability by the model that was newest at its scheduled departure; NaN before the first.

    `rows` have the model's FEATURES, `late`, `scheduled_departure_at` and `landed_at`. One entry in `trainings` is the
    model that is never retrained.
    """
    probability = np.full(rows.num_rows, np.nan)
    departs_at = rows["scheduled_departure_at"]
    for trained_at, replaced_at in zip(trainings, [*trainings[1:], None], strict=True):
        served = pc.greater_equal(departs_at, _instant(trained_at))
        if replaced_at is not None:
            served = pc.and_(served, pc.less(departs_at, _instant(replaced_at)))
        landed = pc.less(rows["landed_at"], _instant(trained_at))
        model = fit(rows.filter(landed), threads=threads)
        probability[served.to_numpy()] = predict_late(model, rows.filter(served), threads=threads)
    return probability


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, type=INSTANT)
