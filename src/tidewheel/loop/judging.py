"""Prepares the case of a candidate and lets a loop's gates judge it.

Candidate and champion answer the same held-out rows, each in a process of its own, so that what a model does there ends
no controller; each sees the rows through the feature set that it was trained with. A gate that raises is a verdict too,
a refusal: a judge who cannot judge lets nobody pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.base.errors import Unavailable
from tidewheel.features import Features, TrainingRows
from tidewheel.loop.definition import Loop
from tidewheel.registry import GateCase, ModelVersion, Registry, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LATENCY_ROWS = 200


def judge(
    loop: Loop,
    rows: TrainingRows,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    registry: Registry,
    features: Features,
) -> list[Verdict]:
    """Every gate's verdict on the candidate, in the order of the declaration, up to and with the first refusal.

    Raises:
        Unavailable: if a store does not answer, which says nothing about the candidate.
    """
    if champion is not None and champion.id == candidate.id:
        return [Verdict("new", False, "the candidate is the champion already")]
    try:
        case = _case(loop, rows, candidate, champion, registry, features)
    except Unavailable:
        raise
    except Exception as error:  # a model may raise anything
        return [Verdict("answers", False, f"candidate and champion could not be asked: {error}")]
    verdicts: list[Verdict] = []
    for gate in loop.gates:
        try:
            verdicts.append(gate.judge(case))
        except Exception as error:  # and so may a project's own gate
            verdicts.append(Verdict(gate.name, False, f"it could not judge: {error}"))
        if not verdicts[-1].passed:
            break
    return verdicts


def _case(
    loop: Loop,
    rows: TrainingRows,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    registry: Registry,
    features: Features,
) -> GateCase:
    table = rows.table()
    mask = table.column(loop.label.name).is_valid().to_numpy()
    outputs, latencies_ms = _answers(registry, candidate, loop, rows, features, timed=True)
    champion_outputs = _answers(registry, champion, loop, rows, features)[0] if champion else None
    return GateCase(
        candidate=candidate,
        champion=champion,
        rows=table.filter(table.column(loop.label.name).is_valid()),
        label=loop.label.name,
        prediction=loop.label.prediction or candidate.signature.output_columns[-1],
        candidate_outputs=outputs[mask],
        champion_outputs=champion_outputs[mask] if champion_outputs is not None else None,
        latencies_ms=latencies_ms,
    )


def _answers(
    registry: Registry, version: ModelVersion, loop: Loop, rows: TrainingRows, features: Features, timed: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix = rows.X
    if version.feature_set_hash not in {None, loop.features.hash}:
        assert version.feature_set_hash is not None
        matrix = features.training_rows_of(version.feature_set_hash, rows).X
    found = registry.answers(version.id, matrix, timed_rows=_LATENCY_ROWS if timed else 0)
    return found.outputs[0], found.latencies_ms
