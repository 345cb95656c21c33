"""Lets workers know of a rollout's route, and notes when they do: from then on a stage's evidence counts.

Called after every decision and at every tick, so what a dead process left undone is done at the next tick. Route and
alias are set with the decision, in one transaction (`walk.py`): nothing here sets one, so nothing here can undo what
somebody else has set since.
"""

from __future__ import annotations

from tidewheel.base.clock import Clock
from tidewheel.rollout import store
from tidewheel.rollout.ownership import route_of
from tidewheel.rollout.records import Rollout
from tidewheel.rollout.seams import Traffic
from tidewheel.storage import Metadata


def settle(metadata: Metadata, traffic: Traffic, clock: Clock, rollout: Rollout) -> None:
    """Publish the route and note that it is; for a running stage, when all workers have it."""
    if rollout.settled:
        return
    traffic.publish()
    route = route_of(traffic, rollout.endpoint)
    if not rollout.running or (route is not None and traffic.applied(route.generation)):
        _note(metadata, rollout, clock)


def _note(metadata: Metadata, rollout: Rollout, clock: Clock) -> None:
    with metadata.record() as connection:
        now = store.find_rollout(connection, rollout.id)
        if now is None or (now.state, now.stage) != (rollout.state, rollout.stage):
            return  # it moved on meanwhile; the next tick settles that
        if now.running:
            store.change_stage(connection, rollout.id, rollout.stage, effective_at_us=clock.now_us())
        store.change_rollout(connection, rollout.id, settled=True)
