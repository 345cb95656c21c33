"""Whose an endpoint's route is: the running rollout's, as long as it is the one that its state asks for.

Every move of a rollout sets its route in the move's own transaction, so a route that is another was set by somebody
else since. Theirs stands: the rollout ends, and touches it no more. Called by `walk.py` and `rollouts.py`.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tidewheel.base.errors import Conflict, NotFound
from tidewheel.rollout.records import Rollout, due_route
from tidewheel.rollout.seams import RouteInForce, Traffic
from tidewheel.storage import Change
from tidewheel.storage.journal import find_entry


def route_of(traffic: Traffic, endpoint: str, change: Change | None = None) -> RouteInForce | None:
    """An endpoint's route; None where it has none, or there is no such endpoint (any more)."""
    try:
        return traffic.route(endpoint, change)
    except NotFound:
        return None


def stands(rollout: Rollout, route: RouteInForce | None) -> bool:
    """Whether a route sends the traffic that a rollout's state asks for; versions without weight do not count."""
    if route is None:
        return False
    due = due_route(rollout)
    weights = {version: float(weight) for version, weight in route.weights.items() if weight}
    return weights == {v: w for v, w in due.weights.items() if w} and set(route.shadows) == set(due.shadows)


def require_unchanged(change: Change, traffic: Traffic, endpoint: str, seen: RouteInForce | None) -> None:
    """Within an open change: refuse it if an endpoint's route is no longer the one that it was decided on.

    Raises:
        Conflict: if somebody else has set one since.
    """
    now = route_of(traffic, endpoint, change)
    if (now and now.generation) != (seen and seen.generation):
        raise Conflict(f"The route of {endpoint!r} has just been changed.", fix="Look again.")


def why_taken(connection: Connection, endpoint: str, route: RouteInForce | None) -> str:
    """The reason for which a rollout ends whose route was set by somebody else: who, and to what."""
    if route is None:
        return f"The endpoint {endpoint!r} is gone."
    entry = find_entry(connection, route.entry_id)
    shares = ", ".join(f"{version}: {share:g} %" for version, share in route.weights.items()) or "nothing"
    return f"{entry.actor if entry else 'Somebody'} set the route of {endpoint!r} meanwhile: {shares}."
