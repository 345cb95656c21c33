"""Endpoints and routes within an open change: made, changed, and done with, each with its journal entry.

Called by `Serving` in a change of its own, and by rollouts in theirs, so that a decision and the route that it asks for
commit together. Versions are made ready before and published after; nothing here waits for either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tidewheel.base.clock import Clock
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving import store
from tidewheel.serving.assignment import order_weights
from tidewheel.serving.records import Route, RoutingUnit
from tidewheel.storage import Change

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> None:
    """Refuse what cannot name an endpoint."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:120]!r} cannot name an endpoint.", fix="Use letters, digits, '.', '-' and '_', at most 100."
        )


def check_weights(weights: Mapping[str, float], shadows: Sequence[str]) -> None:
    """Refuse shares that are no shares of 100 percent, and a version that is to answer and be a shadow."""
    total = sum(weights.values())
    if any(share < 0 for share in weights.values()) or not abs(total - 100) < 0.1:
        raise InvalidInput(
            f"The weights {dict(weights)} do not share 100 percent.", where="weights", fix="They must add up to 100."
        )
    both = sorted({*weights} & {*shadows})
    if both:
        raise InvalidInput(f"{', '.join(both)} cannot both answer and be a shadow.", where="shadows")


def make_endpoint(change: Change, name: str, clock: Clock) -> bool:
    """Add an endpoint, without weights, unless it is there; whether it was not."""
    if store.endpoint_created_at_us(change.connection, name) is not None:
        return False  # with a route by now, perhaps, which an empty one must not follow
    store.add_endpoint(change.connection, name, clock.now_us())
    entry_id = change.emit("serving.endpoint.created", f"endpoint:{name}")
    _add_route(change, name, {}, (), RoutingUnit(), name, entry_id, clock)
    return True


def change_route(
    change: Change,
    endpoint: str,
    weights: Mapping[str, float],
    shadows: Sequence[str],
    unit: RoutingUnit,
    clock: Clock,
) -> bool:
    """Give an endpoint another route; whether it had another one before.

    Raises:
        NotFound: if there is no such endpoint.
    """
    present = store.current_route(change.connection, endpoint)
    if present is None:
        raise no_endpoint(endpoint)
    if (present.weights, present.shadows, present.unit) == (dict(weights), tuple(shadows), unit):
        return False
    ordered = order_weights(list(present.weights), weights)
    facts = {"weights": ordered, "shadows": list(shadows), "before": present.weights, "unit": asdict(unit)}
    inputs = [f"version:{version}" for version in (*ordered, *shadows)]
    entry_id = change.emit("serving.route.changed", f"endpoint:{endpoint}", facts, inputs=inputs)
    _add_route(change, endpoint, ordered, tuple(shadows), unit, _salt(present, ordered), entry_id, clock)
    return True


def remove_endpoint(change: Change, name: str, clock: Clock) -> None:
    """Take an endpoint away. Its routes stay as history; the last of them, without weights, has the generation at which
    workers forget it.

    Raises:
        NotFound: if there is no such endpoint.
    """
    present = store.current_route(change.connection, name)
    if present is None:
        raise no_endpoint(name)
    entry_id = change.emit("serving.endpoint.deleted", f"endpoint:{name}", {"before": present.weights})
    _add_route(change, name, {}, (), RoutingUnit(), name, entry_id, clock)
    store.remove_endpoint(change.connection, name)


def no_endpoint(name: str) -> NotFound:
    """What to say of a name that no endpoint has."""
    return NotFound(f"There is no endpoint {name[:120]!r}.", fix="`tidewheel endpoints ls` lists what there is.")


def _add_route(
    change: Change,
    endpoint: str,
    weights: dict[str, float],
    shadows: tuple[str, ...],
    unit: RoutingUnit,
    salt: str,
    entry_id: str,
    clock: Clock,
) -> None:
    route = Route(
        endpoint=endpoint,
        generation=store.last_generation(change.connection) + 1,
        weights=weights,
        shadows=shadows,
        unit=unit,
        salt=salt,
        at=clock.now(),
        entry_id=entry_id,
    )
    store.add_route(change.connection, route)


def _salt(present: Route, ordered: Mapping[str, float]) -> str:
    """Toss new coins when a newcomer joins a lone version, so that the first 5 % are not always the same callers."""
    newcomers = [version for version in ordered if version not in present.weights]
    return f"{present.endpoint}/{newcomers[0]}" if newcomers and len(present.weights) <= 1 else present.salt
