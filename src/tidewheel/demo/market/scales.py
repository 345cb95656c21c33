"""How long the story is: simulated hours and quotes, chosen so that it fits in 45 s (`--fast`) or two minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """One telling. Hours are simulated; `shift_hour` counts from the first live hour.

    `patience_hours` is how long an act may take before the story says that it did not come to its end; market time runs
    as fast as the workers answer, so on a busy machine a training takes days of it.
    """

    name: str
    history_days: int
    quotes_per_hour: float
    shift_hour: int
    patience_hours: int
    calm_hours: int
    replayed_quotes: int


FAST = Scale(
    "fast",
    history_days=8,
    quotes_per_hour=400,
    shift_hour=20,
    patience_hours=240,
    calm_hours=72,
    replayed_quotes=2_000,
)
NORMAL = Scale(
    "normal",
    history_days=14,
    quotes_per_hour=500,
    shift_hour=60,
    patience_hours=336,
    calm_hours=168,
    replayed_quotes=5_000,
)
