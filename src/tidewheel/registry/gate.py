"""The seam between a candidate and its judges. A gate looks at evidence and says pass or no; it changes nothing.

The loop runs the gates of its declaration; what they are made of lies above this floor. A gate must be a pure function
of its case, so that a verdict can be replayed from what was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tidewheel.registry.records import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCase:
    """The evidence before a gate: labelled rows that neither model was trained on and what both answer to them.

    Outputs have one row for each of `rows` and one column for each output of the version's signature; `prediction`
    names the output that predicts the label. `latencies_ms` are the candidate's measured answers to single rows.
    """

    candidate: ModelVersion
    champion: ModelVersion | None
    rows: pa.Table
    label: str
    prediction: str
    candidate_outputs: NDArray[np.float64]
    champion_outputs: NDArray[np.float64] | None
    latencies_ms: NDArray[np.float64]

    def predicted(self) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """What candidate and champion predict for the label, one value a row."""
        candidate = self.candidate_outputs[:, self.candidate.signature.output_columns.index(self.prediction)]
        if self.champion is None or self.champion_outputs is None:
            return candidate, None
        return candidate, self.champion_outputs[:, self.champion.signature.output_columns.index(self.prediction)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate said: `summary` is one sentence for a person, `evidence` the JSON-able numbers behind it."""

    gate: str
    passed: bool
    summary: str
    evidence: dict[str, Any] = field(default_factory=dict)


class Gate(Protocol):
    """Judges a candidate. A case it cannot judge (no rows, no champion) is a verdict that says so, not an error."""

    @property
    def name(self) -> str:
        """What the gate is called in decisions, as in ``beats_champion(log_loss)``."""

    def judge(self, case: GateCase) -> Verdict:
        """Say whether the candidate may go on."""
