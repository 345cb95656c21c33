"""Prepares the case of a candidate and lets a loop's gates judge it.

Candidate and champion answer the same held-out rows; each sees them through the feature set that it was trained with. A
gate that raises is a verdict too, a refusal: a judge who cannot judge lets nobody pass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.base.errors import Unavailable
from tidewheel.features import Features, TrainingRows
from tidewheel.loop.definition import Loop
from tidewheel.registry import GateCase, ModelVersion, Registry, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LATENCY_ROWS = 200
_LATENCY_TRIES = 3


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
        prediction=loop.label.prediction or candidate.signature.output_names[-1],
        candidate_outputs=outputs[mask],
        champion_outputs=champion_outputs[mask] if champion_outputs is not None else None,
        latencies_ms=latencies_ms,
    )


def _answers(
    registry: Registry, version: ModelVersion, loop: Loop, rows: TrainingRows, features: Features, timed: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predictor = registry.load(version.id)
    matrix = rows.X
    if version.feature_set_hash not in {None, loop.features.hash}:
        assert version.feature_set_hash is not None
        matrix = features.training_rows_of(version.feature_set_hash, rows).X
    outputs: NDArray[np.float64] = predictor.predict(matrix)
    return outputs, _latencies_ms(predictor, matrix) if timed else np.empty(0)


def _latencies_ms(predictor: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long the model takes for each of some rows: the fastest of a few tries.

    One try measures the machine as well: with other work on its cores, the slowest of 200 answers is a wait for the
    scheduler, and a gate on it refuses good candidates by chance. What the model needs, it needs every time.
    """
    taken = np.empty(min(_LATENCY_ROWS, len(matrix)))
    for index in range(taken.size):
        row = np.ascontiguousarray(matrix[index : index + 1])
        taken[index] = min(_answer_ms(predictor, row) for _ in range(_LATENCY_TRIES))
    return taken


def _answer_ms(predictor: Any, row: NDArray[np.float64]) -> float:
    begun = time.perf_counter_ns()
    predictor.predict(row)
    return (time.perf_counter_ns() - begun) / 1e6
