"""The turn's states and what leads from one to the next: the whole machine, as one table.

A turn is one pass of a loop: something calls for a new model, rows are gathered, a candidate is trained, judged, rolled
out, and promoted or not. The docs render this table, the tests walk it, and `turn.py` cannot leave it.
"""

from __future__ import annotations

from enum import StrEnum

from tidewheel.base.errors import Conflict


class TurnState(StrEnum):
    """Where a turn stands."""

    GATHERING = "gathering"  # waiting for enough labelled rows after the change point
    TRAINING = "training"  # the pipeline runs
    JUDGING = "judging"  # gates compare candidate and champion on held-out rows
    ROLLING_OUT = "rolling_out"  # live traffic decides
    PROMOTED = "promoted"  # the candidate is champion
    ROLLED_BACK = "rolled_back"  # live traffic said no
    REJECTED = "rejected"  # a gate said no
    FAILED = "failed"  # the pipeline did not yield a candidate
    CANCELLED = "cancelled"  # a person stopped it


class Happening(StrEnum):
    """What moves a turn on."""

    ROWS_READY = "rows_ready"
    CANDIDATE_READY = "candidate_ready"
    PIPELINE_FAILED = "pipeline_failed"
    GATES_PASSED = "gates_passed"
    GATE_SAID_NO = "gate_said_no"
    NO_CHAMPION = "no_champion"
    ROLLOUT_PROMOTED = "rollout_promoted"
    ROLLOUT_ENDED = "rollout_ended"
    CANCEL = "cancel"


TRANSITIONS: dict[tuple[TurnState, Happening], TurnState] = {
    (TurnState.GATHERING, Happening.ROWS_READY): TurnState.TRAINING,
    (TurnState.TRAINING, Happening.CANDIDATE_READY): TurnState.JUDGING,
    (TurnState.TRAINING, Happening.PIPELINE_FAILED): TurnState.FAILED,
    (TurnState.JUDGING, Happening.GATES_PASSED): TurnState.ROLLING_OUT,
    (TurnState.JUDGING, Happening.GATE_SAID_NO): TurnState.REJECTED,
    (TurnState.JUDGING, Happening.NO_CHAMPION): TurnState.PROMOTED,
    (TurnState.ROLLING_OUT, Happening.ROLLOUT_PROMOTED): TurnState.PROMOTED,
    (TurnState.ROLLING_OUT, Happening.ROLLOUT_ENDED): TurnState.ROLLED_BACK,
    (TurnState.GATHERING, Happening.CANCEL): TurnState.CANCELLED,
    (TurnState.TRAINING, Happening.CANCEL): TurnState.CANCELLED,
    (TurnState.JUDGING, Happening.CANCEL): TurnState.CANCELLED,
    (TurnState.ROLLING_OUT, Happening.CANCEL): TurnState.CANCELLED,
}
ENDED = frozenset(state for state in TurnState if state not in {start for start, _ in TRANSITIONS})


def next_state(state: TurnState, happening: Happening) -> TurnState:
    """Where a happening leads from a state.

    Raises:
        Conflict: if the table knows no such step.
    """
    try:
        return TRANSITIONS[state, happening]
    except KeyError:
        raise Conflict(f"A turn that is {state} cannot go on with {happening}.") from None
