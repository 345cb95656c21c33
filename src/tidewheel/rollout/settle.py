"""Makes the world agree with a rollout's state: the route its stage asks for, the alias its end asks for.

Called after every decision and at every tick, so what a dead process left half done is done at the next tick. Every
step is repeatable, and a step already done is not done again. While a rollout runs, the route is its: a split that
someone set by hand meanwhile is set back (abort the rollout to set it yourself).
"""

from __future__ import annotations

from tidewheel.base.clock import Clock
from tidewheel.rollout import store
from tidewheel.rollout.records import DueRoute, Rollout, due_route
from tidewheel.rollout.seams import Aliases, RouteInForce, Traffic
from tidewheel.storage import Metadata
from tidewheel.storage.journal import acting


def settle(metadata: Metadata, traffic: Traffic, aliases: Aliases, clock: Clock, rollout: Rollout) -> None:
    """Set what is due and note it as done; for a running stage, note when all workers have it."""
    if rollout.settled and not rollout.running:
        return
    with acting(actor="rollout", cause=rollout.entry_id):
        due, route = due_route(rollout), traffic.route(rollout.endpoint)
        if route is None or not _same(route, due):
            route = traffic.set_route(rollout.endpoint, due.weights, due.shadows, rollout.plan.unit)
        if rollout.alias_due is not None and not rollout.settled:
            aliases.promote(rollout.alias_due)
    if not rollout.settled and (not rollout.running or traffic.applied(route.generation)):
        _note(metadata, rollout, clock)


def _same(route: RouteInForce, due: DueRoute) -> bool:
    """Whether two routes send the same traffic; versions without weight do not count."""
    weights = {version: float(weight) for version, weight in route.weights.items() if weight}
    return weights == {v: w for v, w in due.weights.items() if w} and set(route.shadows) == set(due.shadows)


def _note(metadata: Metadata, rollout: Rollout, clock: Clock) -> None:
    with metadata.record() as connection:
        now = store.find_rollout(connection, rollout.id)
        if now is None or (now.state, now.stage) != (rollout.state, rollout.stage):
            return  # it moved on meanwhile; the next tick settles that
        if now.running:
            store.change_stage(connection, rollout.id, rollout.stage, effective_at_us=clock.now_us())
        store.change_rollout(connection, rollout.id, settled=True)
