"""What a person does to an endpoint's traffic, unwatched: give it to other versions, or back to the champion before.

Called by `Rollouts`. A hand goes before a walk: a rollout that is running there ends in the very transaction that sets
the route, so neither can be undone by the other, whatever dies between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.rollout import store
from tidewheel.rollout.judge import Judgement
from tidewheel.rollout.ownership import require_unchanged, route_of
from tidewheel.rollout.records import Restored, Rollout, RouteByHand
from tidewheel.rollout.seams import Aliases, RouteInForce, Traffic
from tidewheel.rollout.walk import give_way
from tidewheel.storage import Change, Metadata
from tidewheel.storage.journal import acting

LOOKED_BACK = 1000
"""Routes of an endpoint that are looked at for the champion before."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """Sets routes in a person's name. `look` says what is known of a rollout that ends by it."""

    metadata: Metadata
    traffic: Traffic
    aliases: Aliases
    clock: Clock
    look: Callable[[Connection, Rollout], Judgement]

    def set_route(
        self, endpoint: str, weights: Mapping[str, float], shadows: Sequence[str], reason: str
    ) -> RouteByHand:
        """Give an endpoint, made if it is not there, a route; end its rollout with `reason`.

        Raises:
            NotFound: if there is no such version.
            InvalidInput: if the weights do not add up to 100.
            Corrupt, NotAllowed: if a version cannot be served. Nothing has changed then.
        """
        if not weights:
            raise InvalidInput("No version is to answer.", where="weights", fix="Name at least one.")
        self.traffic.prepare([*weights, *shadows])
        before = route_of(self.traffic, endpoint)
        with self.metadata.change() as change:
            ended, cause = self._end_running(change, endpoint, reason)
            facts = {"endpoint": endpoint, "weights": dict(weights), "shadows": list(shadows), "reason": reason}
            cause = change.emit("rollout.route.taken", f"endpoint:{endpoint}", facts, cause=cause)
            self._hand_over(change, endpoint, weights, shadows, cause)
        self.traffic.publish()
        return self._told(endpoint, before, ended, reason)

    def restore(self, endpoint: str, reason: str) -> Restored:
        """Give an endpoint back to the champion before the present one, as its routes tell.

        Raises:
            NotFound: if there is no such endpoint.
            Conflict: if no other champion was before, or the route is being changed.
        """
        seen = self.traffic.route(endpoint)
        present = seen.champion if seen else None
        history = self.traffic.history(endpoint, LOOKED_BACK)
        before = champion_before(route.champion for route in reversed(history))
        if seen is None or present is None or before is None:
            raise Conflict(
                f"{endpoint!r} has had no other champion before {present or 'now'}.",
                fix=f"`tidewheel endpoints show {endpoint}` shows its routes; `tidewheel deploy` sets another.",
            )
        self.traffic.prepare([before])
        with self.metadata.change() as change:
            require_unchanged(change, self.traffic, endpoint, seen)
            facts = {"endpoint": endpoint, "champion_version": before, "before_version": present, "reason": reason}
            nodes = [f"version:{before}", f"version:{present}"]
            cause = change.emit("rollout.route.restored", f"endpoint:{endpoint}", facts, inputs=nodes)
            self._hand_over(change, endpoint, {before: 100.0}, (), cause)
        self.traffic.publish()
        return Restored(endpoint, before, present, reason, None)

    def _end_running(self, change: Change, endpoint: str, reason: str) -> tuple[str | None, str | None]:
        """End the rollout that runs on an endpoint; its id, and the journal entry that says so."""
        running = (each for each in store.running_rollouts(change.connection) if each.endpoint == endpoint)
        rollout = next(running, None)
        if rollout is None:
            return None, None
        told = f"The route was set by hand: {reason.rstrip('.')}."
        evidence = self.look(change.connection, rollout).evidence
        return rollout.id, give_way(change, rollout, told, evidence, self.clock).entry_id

    def _hand_over(
        self, change: Change, endpoint: str, weights: Mapping[str, float], shadows: Sequence[str], cause: str
    ) -> None:
        """Set the route in the open change; if one version has all the traffic, the alias follows it."""
        before = route_of(self.traffic, endpoint, change)
        answering = [version for version, share in weights.items() if share]
        with acting(cause=cause):
            self.traffic.change_route(change, endpoint, weights, shadows, new_endpoint=True)
            if len(answering) == 1:
                self.aliases.follow(change, endpoint, answering[0], before.champion if before else None)

    def _told(self, endpoint: str, before: RouteInForce | None, ended: str | None, reason: str) -> RouteByHand:
        route = self.traffic.route(endpoint)
        assert route is not None
        former = before.champion if before else None
        return RouteByHand(endpoint, dict(route.weights), tuple(route.shadows), route.generation, former, ended, reason)


def champion_before(champions: Iterable[str | None]) -> str | None:
    """The champion to go back to, of all that an endpoint has had, oldest first; None where there is none.

    Going back undoes a step instead of adding one, so that whoever goes back twice is two steps back and not where they
    began:

    >>> champion_before(["v1", "v2", "v3"])
    'v2'
    >>> champion_before(["v1", "v2", "v3", "v2"])
    'v1'
    >>> champion_before(["v1", "v2", "v1"]) is None
    True
    """
    steps: list[str] = []
    for champion in champions:
        if champion is None or champion in steps[-1:]:
            continue
        if champion in steps[-2:-1]:
            steps.pop()
        else:
            steps.append(champion)
    return steps[-2] if len(steps) > 1 else None
