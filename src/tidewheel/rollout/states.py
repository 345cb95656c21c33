"""A rollout's states and what leads from one to the next: the whole machine, as one table.

    shadow ──advance──> canary ──promote──> promoted        (canary ──advance──> canary: the next step)
       └──────rollback / abort──────┴──> rolled_back / aborted <──rollback by a person── promoted

The docs render this table, the tests walk it, and `walk.py` cannot leave it.
"""

from __future__ import annotations

from enum import StrEnum

from tidewheel.base.errors import Conflict


class RolloutState(StrEnum):
    """Where a rollout stands."""

    SHADOW = "shadow"  # the candidate answers copies of requests; callers never see it
    CANARY = "canary"  # it answers a share of live traffic
    PROMOTED = "promoted"  # it has all traffic and is champion
    ROLLED_BACK = "rolled_back"  # the champion has all traffic again
    ABORTED = "aborted"  # a person stopped it: the champion has all traffic again, or what they set instead


class Move(StrEnum):
    """What moves a rollout on; all but abort may come from the judge. `hold` changes nothing and is not journaled."""

    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ABORT = "abort"


TRANSITIONS: dict[tuple[RolloutState, Move], RolloutState] = {
    (RolloutState.SHADOW, Move.HOLD): RolloutState.SHADOW,
    (RolloutState.SHADOW, Move.ADVANCE): RolloutState.CANARY,
    (RolloutState.SHADOW, Move.PROMOTE): RolloutState.PROMOTED,  # a plan without canary steps
    (RolloutState.SHADOW, Move.ROLLBACK): RolloutState.ROLLED_BACK,
    (RolloutState.SHADOW, Move.ABORT): RolloutState.ABORTED,
    (RolloutState.CANARY, Move.HOLD): RolloutState.CANARY,
    (RolloutState.CANARY, Move.ADVANCE): RolloutState.CANARY,  # the next step
    (RolloutState.CANARY, Move.PROMOTE): RolloutState.PROMOTED,
    (RolloutState.CANARY, Move.ROLLBACK): RolloutState.ROLLED_BACK,
    (RolloutState.CANARY, Move.ABORT): RolloutState.ABORTED,
    (RolloutState.PROMOTED, Move.ROLLBACK): RolloutState.ROLLED_BACK,  # by a person: `rollback(endpoint)`
}
RUNNING = frozenset(state for state, move in TRANSITIONS if move is Move.ABORT)
ENDED = frozenset(RolloutState) - RUNNING


def next_state(state: RolloutState, move: Move) -> RolloutState:
    """Where a move leads from a state.

    Raises:
        Conflict: if the table knows no such step.
    """
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise Conflict(f"A rollout that is {state} cannot {move}.", fix="`GET /rollout/rollouts` shows it.") from None
