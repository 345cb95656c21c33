"""Begins a rollout and moves it on: state, stage, decision, route and journal in one transaction.

Called by `rollouts.py` with a judgement (the judge's, or a person's). It must never make a move that the table in
`states.py` does not know, nor one for a rollout that has meanwhile moved on, nor touch a route that somebody else set.
That workers know of it is `settle.py`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidewheel.base.clock import Clock
from tidewheel.base.errors import Conflict, NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.units import to_us
from tidewheel.rollout import store
from tidewheel.rollout.judge import Judgement
from tidewheel.rollout.ownership import route_of, stands
from tidewheel.rollout.plans import Plan
from tidewheel.rollout.records import Decision, Rollout, due_route
from tidewheel.rollout.seams import Aliases, Traffic
from tidewheel.rollout.states import ENDED, Move, RolloutState, next_state
from tidewheel.storage import Change
from tidewheel.storage.journal import acting, current_actor, current_cause


class RouteTakenError(Conflict):
    """Somebody else has set the route since a rollout's last move: a running one can only end (`give_way`)."""


def begin(
    change: Change, traffic: Traffic | None, endpoint: str, champion: str, candidate: str, plan: Plan, clock: Clock
) -> Rollout:
    """Add a rollout in its first stage, and set its route, in the open change; without `traffic` no route is set.

    Raises:
        Conflict: if one is running on this endpoint.
    """
    busy = [rollout for rollout in store.running_rollouts(change.connection) if rollout.endpoint == endpoint]
    if busy:
        raise Conflict(
            f"A rollout is running on {endpoint!r} already: {busy[0].id}, {busy[0].state}.",
            fix=f"Wait for its end, or stop it: `tidewheel rollouts abort {busy[0].id}`.",
        )
    rollout = Rollout(
        id=new_id("rol"),
        endpoint=endpoint,
        champion_version=champion,
        candidate_version=candidate,
        state=RolloutState.SHADOW if plan.shadowed else RolloutState.CANARY,
        stage=0,
        stages=(),
        plan=plan,
        reason=f"Started: {plan.describe()}.",
        cause=current_cause(),
        entry_id="",
        alias_due=None,
        settled=False,
        started_at=clock.now(),
        ended_at=None,
    )
    facts = {**_versions(rollout), "plan": plan.describe()}
    entry_id = change.emit("rollout.rollout.started", rollout.node, facts, inputs=_version_nodes(rollout))
    rollout = replace(rollout, entry_id=entry_id)
    store.add_rollout(change.connection, rollout)
    store.enter_stage(change.connection, rollout, 0, to_us(rollout.started_at))
    if traffic is not None:
        _set_route(change, traffic, rollout)
    return rollout


def make_move(
    change: Change, traffic: Traffic, aliases: Aliases, seen: Rollout, judgement: Judgement, clock: Clock
) -> Decision:
    """Move a rollout on, its route and champion with it, in the open change; `seen` is the rollout that was judged.

    Raises:
        Conflict: if the state does not allow the move, or the rollout has moved since it was seen.
        RouteTakenError: if somebody else has set its endpoint's route since its last move.
    """
    rollout = _still(change, seen, judgement.move)
    if not stands(rollout, route_of(traffic, rollout.endpoint, change)):
        raise RouteTakenError(
            f"The route of {rollout.endpoint!r} is not as the rollout {rollout.id} had set it.",
            fix="What was set stands; look again.",
        )
    decision = _journal(change, rollout, judgement, clock)
    moved = _apply(change, rollout, decision)
    _set_route(change, traffic, moved)
    if moved.alias_due is not None:
        both = {rollout.champion_version, rollout.candidate_version}
        with acting(cause=moved.entry_id):
            aliases.follow(change, moved.endpoint, moved.alias_due, *(both - {moved.alias_due}))
    return decision


def give_way(change: Change, seen: Rollout, reason: str, evidence: dict[str, Any], clock: Clock) -> Decision:
    """End a running rollout in the open change, and leave the route to whoever sets it or has set it.

    Raises:
        Conflict: if it is not running, or has moved since it was seen.
    """
    rollout = _still(change, seen, Move.ABORT)
    decision = _journal(change, rollout, Judgement(Move.ABORT, reason, evidence), clock)
    _apply(change, rollout, decision)
    return decision


def _still(change: Change, seen: Rollout, move: Move) -> Rollout:
    """The rollout as it is now, if it still is where it was seen and may make the move."""
    rollout = store.find_rollout(change.connection, seen.id)
    if rollout is None:
        raise NotFound(f"There is no rollout {seen.id!r}.")
    next_state(rollout.state, move)
    if (rollout.state, rollout.stage) != (seen.state, seen.stage):
        raise Conflict(f"The rollout {seen.id} has moved on to {rollout.state}.", fix="Look again.")
    return rollout


def _set_route(change: Change, traffic: Traffic, rollout: Rollout) -> None:
    due = due_route(rollout)
    with acting(cause=rollout.entry_id):
        traffic.change_route(change, rollout.endpoint, due.weights, due.shadows, rollout.plan.unit)


def _journal(change: Change, rollout: Rollout, judgement: Judgement, clock: Clock) -> Decision:
    decision_id, stage_name = new_id("dec"), rollout.plan.stage_name(rollout.stage)
    to_state = next_state(rollout.state, judgement.move)
    facts: dict[str, Any] = {
        "rollout_id": rollout.id,
        **_versions(rollout),
        "stage": rollout.stage,
        "stage_name": stage_name,
        "move": str(judgement.move),
        "from_state": str(rollout.state),
        "to_state": str(to_state),
        "reason": judgement.reason,
        "evidence": judgement.evidence,
    }
    nodes = [rollout.node, *_version_nodes(rollout)]
    node = f"decision:{decision_id}"
    entry_id = change.emit("rollout.decision.made", node, facts, inputs=nodes, cause=rollout.entry_id)
    return Decision(
        id=decision_id,
        rollout_id=rollout.id,
        stage=rollout.stage,
        stage_name=stage_name,
        move=judgement.move,
        from_state=rollout.state,
        to_state=to_state,
        reason=judgement.reason,
        evidence=judgement.evidence,
        at=clock.now(),
        actor=current_actor(),
        entry_id=entry_id,
    )


def _apply(change: Change, rollout: Rollout, decision: Decision) -> Rollout:
    """Keep a decision and what follows from it; returns the rollout after it."""
    connection, at_us, ended = change.connection, to_us(decision.at), decision.to_state in ENDED
    store.add_decision(connection, decision)
    if rollout.running:
        store.change_stage(connection, rollout.id, rollout.stage, ended_at_us=at_us)
    entry_id, stage = decision.entry_id, rollout.stage
    if ended:
        store.forget_working_memory(connection, rollout.id)
        facts = {**_versions(rollout), "reason": decision.reason, "started_at": rollout.started_at.isoformat()}
        facts |= {"from_state": str(decision.from_state), "stage_name": decision.stage_name}
        kind = f"rollout.rollout.{decision.to_state}"
        inputs = [f"decision:{decision.id}"]
        entry_id = change.emit(kind, rollout.node, facts, inputs=inputs, cause=decision.entry_id)
    else:
        stage = rollout.stage + 1
        store.enter_stage(connection, rollout, stage, at_us)
    store.change_rollout(
        connection,
        rollout.id,
        state=str(decision.to_state),
        stage=stage,
        reason=decision.reason,
        entry_id=entry_id,
        alias_due=_alias_due(rollout, decision.move),
        settled=False,
        ended_at_us=at_us if ended else None,
    )
    alias_due = _alias_due(rollout, decision.move)
    return replace(rollout, state=decision.to_state, stage=stage, entry_id=entry_id, alias_due=alias_due)


def _alias_due(rollout: Rollout, move: Move) -> str | None:
    """Which version becomes champion by this move; None where the champion stays."""
    if move is Move.PROMOTE:
        return rollout.candidate_version
    return rollout.champion_version if rollout.state is RolloutState.PROMOTED else None


def _versions(rollout: Rollout) -> dict[str, Any]:
    return {
        "endpoint": rollout.endpoint,
        "champion_version": rollout.champion_version,
        "candidate_version": rollout.candidate_version,
    }


def _version_nodes(rollout: Rollout) -> list[str]:
    return [f"version:{rollout.champion_version}", f"version:{rollout.candidate_version}"]
