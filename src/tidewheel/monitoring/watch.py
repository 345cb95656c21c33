"""The seam that every monitor fits: a definition that a project writes, and the watch that it keeps on one version.

A watch is a value with state: it folds what was logged, in batches of any size, and can be asked at any moment how it
stands. The service stores its state in the same transaction as the log's cursor, so every row counts exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidewheel.monitoring.records import Finding, ReadingState
from tidewheel.stats import BinnedSketch, FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

Windows = Callable[[int, int], dict[str, BinnedSketch]]
"""Merged sketches of the watched version, by column, of the minutes in [since_us, until_us)."""


class LabelFacts(Protocol):
    """What monitors read of a loop's label."""

    @property
    def name(self) -> str: ...
    @property
    def prediction(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The version under watch: its columns, the bins they are counted on, and what it looked like in training.

    `columns` are the features, then the outputs by name, then `uncertainty` where the prediction is a probability.
    `reference` has a value for each reference row and column; `reference_at_us` may be empty (origin unknown).
    """

    features: tuple[str, ...]
    outputs: tuple[str, ...]
    label: str
    prediction: str
    bins: dict[str, FeatureBins]
    reference: dict[str, NDArray[np.float64]]
    reference_at_us: NDArray[np.int64]
    started_at_us: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Labels that met their live predictions, in the order of the predictions' instants."""

    at_us: NDArray[np.int64]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """How a watch stands now."""

    state: ReadingState
    log_evidence: float
    log_threshold: float
    seen: int
    summary: str
    change_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """One monitor's state about one version. Not for threads."""

    def fold(self, outcomes: Outcomes) -> None:
        """Take labels that have just met their predictions."""

    def advance(self, now_us: int, windows: Windows) -> None:
        """Take the windows of traffic that have closed by `now_us`."""

    def look(self) -> Look:
        """How things stand. Changes nothing."""

    def reset(self) -> None:
        """Begin again, as after an alert has been dealt with."""

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON values."""


class Monitor(Protocol):
    """A monitor as a project writes it: frozen, with what it needs to begin a watch or to take one up again."""

    @property
    def name(self) -> str:
        """Unique within a loop, as in ``concept_drift(log_loss)``."""

    @property
    def kind(self) -> str:
        """data, prediction, concept, bias, uncertainty, freshness or skew."""

    def begin(self, subject: Subject) -> Watch:
        """A fresh watch."""

    def resume(self, subject: Subject, state: dict[str, Any]) -> Watch:
        """The watch that gave `state`."""
