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
from tidewheel.monitoring.sketches import SketchLayout
from tidewheel.stats import FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

Windows = Callable[[int, int, int], "list[tuple[int, NDArray[np.int32]]]"]
"""(since_us, until_us, length_us) -> (start_us, counts) of the version's windows in that span, in order.

Windows without traffic are left out. Counts are laid out as the subject's layout says, and those of a window before
`closed_us` of any watch never change.
"""


class LabelFacts(Protocol):
    """What monitors read of a loop's label."""

    @property
    def name(self) -> str: ...
    @property
    def prediction(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """The version under watch: its columns, how they are counted, and what it looked like in training.

    `layout.columns` are the features, then the outputs, then `uncertainty` where the prediction is a probability.
    `reference` has a value for each reference row and column; `reference_at_us` may be empty (origin unknown).
    """

    features: tuple[str, ...]
    outputs: tuple[str, ...]
    label: str
    prediction: str
    bins: dict[str, FeatureBins]
    layout: SketchLayout
    reference: dict[str, NDArray[np.float64]]
    reference_at_us: NDArray[np.int64]
    started_at_us: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Labels that met their live predictions, in the order of the predictions' instants; all numbers are finite."""

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

    @property
    def progress(self) -> int:
        """A number that grows whenever `fold` or `advance` has changed the state."""

    @property
    def window_us(self) -> int:
        """The length of the windows that it takes; 0 if it takes none."""

    @property
    def first_us(self) -> int:
        """Where the first window begins that it takes; 0 if it takes none."""

    @property
    def closed_us(self) -> int:
        """The instant up to which it has taken windows; 0 if it has taken none."""

    def fold(self, outcomes: Outcomes) -> None:
        """Take labels that have just met their predictions."""

    def advance(self, now_us: int, windows: Windows) -> None:
        """Take the windows of traffic that have closed by `now_us`."""

    def look(self) -> Look:
        """How things stand. Changes nothing."""

    def reset(self) -> None:
        """Begin again, as after an alert has been dealt with."""

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON values; what `windows` can tell again need not be in it."""

    def restore(self, state: dict[str, Any], windows: Windows) -> None:
        """Take up, in a watch just begun, the state that `to_dict` gave; it then goes on exactly as that one."""


class Monitor(Protocol):
    """A monitor as a project writes it: frozen, with what it needs to begin a watch."""

    @property
    def name(self) -> str:
        """Unique within a loop, as in ``concept_drift(log_loss)``."""

    @property
    def kind(self) -> str:
        """data, prediction, concept, bias or uncertainty."""

    def begin(self, subject: Subject) -> Watch:
        """A fresh watch.

        Raises:
            InvalidInput: if the version cannot be watched so.
        """
