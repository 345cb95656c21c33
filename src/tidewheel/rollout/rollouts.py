"""The room's verbs: start a rollout, turn its wheel (`tick`), stop it, look at it.

`app.py` constructs it; the loop starts rollouts, the controller ticks, people abort, roll back and set routes. Every
decision is one transaction (state, stage, route, alias, journal); workers hear of it after, again and again until they
have, so a process that dies between the two is caught up with at the next tick. It must never keep anything in memory
that a `kill -9` would miss, nor touch a route that somebody else has set since (`ownership.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, TidewheelError
from tidewheel.rollout import store
from tidewheel.rollout.by_hand import LOOKED_BACK, ByHand
from tidewheel.rollout.evidence import StageEvidence
from tidewheel.rollout.fold import Watch, fold
from tidewheel.rollout.judge import Judgement, judge
from tidewheel.rollout.ownership import require_unchanged, route_of, stands, why_taken
from tidewheel.rollout.plans import Canary, Plan
from tidewheel.rollout.records import Decision, Restored, Rollout, RouteByHand
from tidewheel.rollout.seams import Aliases, Traffic
from tidewheel.rollout.settle import settle
from tidewheel.rollout.states import Move, RolloutState
from tidewheel.rollout.walk import begin, give_way, make_move
from tidewheel.storage import Metadata
from tidewheel.storage.predictions import LogBatch, Prediction, PredictionLog

CONSUMER = "rollout"
_log = logging.getLogger("tidewheel.rollout")
_BATCHES_PER_TICK = 10


class Rollouts:
    """Walks candidates from shadow to champion, or back."""

    def __init__(
        self, metadata: Metadata, predictions: PredictionLog, traffic: Traffic, aliases: Aliases, clock: Clock
    ) -> None:
        self._metadata = metadata
        self._predictions = predictions
        self._traffic = traffic
        self._aliases = aliases
        self._clock = clock
        self._by_hand = ByHand(metadata, traffic, aliases, clock, self._look_within)

    @door("POST", "/rollout/rollouts")
    def start(
        self,
        endpoint: str,
        champion_version: str | None,
        candidate_version: str,
        plan: Canary | Plan | None = None,
        cause: str | None = None,
    ) -> Rollout:
        """Begin a candidate's walk on an endpoint.

        Args:
            endpoint: where the traffic arrives.
            champion_version: the version to beat; None: the one that has most of the endpoint's traffic.
            candidate_version: the version to try.
            plan: how; default: `Canary()`.
            cause: the journal entry that asked for it.

        Raises:
            NotFound: if there is no such endpoint or version.
            Conflict: if a rollout is running on this endpoint, it serves nothing yet, or its route is being changed.
            InvalidInput: if candidate and champion are the same version, or the candidate requires inputs that the
                endpoint's requests do not give.
        """
        champion = champion_version or self._present_champion(endpoint)
        if champion == candidate_version:
            raise InvalidInput(f"{champion} is the champion of {endpoint!r} already.", fix="Name another version.")
        rules = plan.plan() if isinstance(plan, Canary) else plan or Canary().plan()
        running = self.running(endpoint)
        if running is not None:
            self._end_if_taken(running)
        seen = self._traffic.route(endpoint)
        try:
            self._traffic.check_candidate(endpoint, champion, candidate_version)
            self._traffic.prepare([champion, candidate_version])
        except TidewheelError as error:
            unseen = judge(rules, 0, [StageEvidence()], 0.0).evidence
            with self._metadata.change(cause=cause) as change:
                rollout = begin(change, None, endpoint, champion, candidate_version, rules, self._clock)
                give_way(change, rollout, f"It could not begin: {error.message}", unseen, self._clock)
            raise
        with self._metadata.change(cause=cause) as change:
            require_unchanged(change, self._traffic, endpoint, seen)
            rollout = begin(change, self._traffic, endpoint, champion, candidate_version, rules, self._clock)
        self._settle(rollout.id)
        return self.get(rollout.id)

    def tick(self) -> list[Decision]:
        """One turn: end what was taken over, catch up, fold new log batches, judge. Returns the decisions made."""
        with self._metadata.read() as connection:
            unsettled, running = store.unsettled_rollouts(connection), store.running_rollouts(connection)
        taken = [decision for rollout in running if (decision := self._end_if_taken(rollout))]
        for rollout in (*unsettled, *running):
            self._settle(rollout.id)
        for _ in range(_BATCHES_PER_TICK):
            if not self._fold_batch():
                break
        with self._metadata.read() as connection:
            running = store.running_rollouts(connection)
        return [*taken, *(decision for rollout in running if (decision := self._judge(rollout)))]

    @door("POST", "/rollout/rollouts/{rollout_id}/abort")
    def abort(self, rollout_id: str, reason: str = "Stopped by hand.") -> Rollout:
        """Stop a running rollout; the champion gets all traffic again, unless somebody has set the route since.

        Raises:
            Conflict: if it is not running.
        """
        rollout = self.get(rollout_id)
        if self._end_if_taken(rollout) is None:
            self._move(rollout, Move.ABORT, reason)
        return self.get(rollout_id)

    @door("POST", "/rollout/endpoints/{endpoint}/route")
    def set_route(
        self,
        endpoint: str,
        weights: dict[str, float],
        shadows: Sequence[str] = (),
        reason: str = "Set by hand.",
    ) -> RouteByHand:
        """Share an endpoint's requests by hand, in percent, at once and unwatched; `{version: 100}` deploys one.

        A rollout that is running there ends with `reason`. The endpoint is made if it is not there. If one version has
        all the traffic, the alias `champion` of its model follows it, as after a rollout.

        Raises:
            NotFound: if there is no such version.
            InvalidInput: if the weights do not add up to 100.
            Corrupt, NotAllowed: if a version cannot be served. Nothing has changed then, and no endpoint was made.
        """
        return self._by_hand.set_route(endpoint, weights, shadows, reason)

    @door("POST", "/rollout/endpoints/{endpoint}/rollback")
    def rollback(self, endpoint: str, reason: str = "Rolled back by hand.") -> Restored:
        """Give an endpoint back to the champion before: the one that a running rollout has not replaced, else the one
        that answered before the present champion, however that came.

        Raises:
            NotFound: if there is no such endpoint.
            Conflict: if no other champion was before.
        """
        newest = next(iter(self.ls(endpoint, limit=1)), None)
        if newest is not None and self._end_if_taken(newest) is None and self._can_return(newest):
            self._move(newest, Move.ROLLBACK, reason)
            return Restored(endpoint, newest.champion_version, newest.candidate_version, reason, newest.id)
        return self._by_hand.restore(endpoint, reason)

    @door("GET", "/rollout/rollouts/{rollout_id}")
    def get(self, rollout_id: str) -> Rollout:
        """The rollout of an id."""
        with self._metadata.read() as connection:
            found = store.find_rollout(connection, rollout_id)
        if found is None:
            raise NotFound(f"There is no rollout {rollout_id!r}.", fix="`GET /rollout/rollouts` lists them.")
        return found

    @door("GET", "/rollout/rollouts")
    def ls(self, endpoint: str | None = None, limit: int = 100) -> list[Rollout]:
        """Rollouts, newest first; of one endpoint, or of all."""
        with self._metadata.read() as connection:
            return store.list_rollouts(connection, endpoint, max(1, min(limit, 1000)))

    def running(self, endpoint: str) -> Rollout | None:
        """The rollout that is running on an endpoint, if there is one."""
        return next((rollout for rollout in self.ls(endpoint, limit=1) if rollout.running), None)

    @door("GET", "/rollout/rollouts/{rollout_id}/decisions")
    def decisions(self, rollout_id: str) -> list[Decision]:
        """What was decided about a rollout, oldest first, each with its evidence."""
        rollout = self.get(rollout_id)
        with self._metadata.read() as connection:
            return store.list_decisions(connection, rollout.id)

    @door("GET", "/rollout/rollouts/{rollout_id}/outlook")
    def outlook(self, rollout_id: str) -> Judgement:
        """What the judge says of a rollout's present stage right now; looking changes nothing and costs no error."""
        return self._look(self.get(rollout_id))

    def _look(self, rollout: Rollout) -> Judgement:
        with self._metadata.read() as connection:
            return self._look_within(connection, rollout)

    def _look_within(self, connection: Connection, rollout: Rollout) -> Judgement:
        evidence = store.load_evidence(connection, rollout.id)
        until = rollout.ended_at or self._clock.now()
        waited_s = (until - rollout.stages[rollout.stage].entered_at).total_seconds()
        return judge(rollout.plan, rollout.stage, evidence, waited_s)

    def _judge(self, rollout: Rollout) -> Decision | None:
        found = self._look(rollout)
        if found.move is Move.HOLD:
            return None
        try:
            with self._metadata.change(actor="rollout") as change:
                decision = make_move(change, self._traffic, self._aliases, rollout, found, self._clock)
        except Conflict:  # a person was faster; the next tick sees what they did
            return None
        self._settle(rollout.id)
        return decision

    def _move(self, rollout: Rollout, move: Move, reason: str) -> None:
        """Make a person's move, on the evidence that there is."""
        found = replace(self._look(rollout), move=move, reason=reason)
        with self._metadata.change() as change:
            make_move(change, self._traffic, self._aliases, rollout, found, self._clock)
        self._settle(rollout.id)

    def _end_if_taken(self, rollout: Rollout) -> Decision | None:
        """End a running rollout whose route somebody else has set since, and leave that route as it is."""
        if not rollout.running or stands(rollout, route_of(self._traffic, rollout.endpoint)):
            return None
        try:
            with self._metadata.change(actor="rollout") as change:
                route = route_of(self._traffic, rollout.endpoint, change)
                reason = why_taken(change.connection, rollout.endpoint, route)
                evidence = self._look_within(change.connection, rollout).evidence
                return give_way(change, rollout, reason, evidence, self._clock)
        except Conflict:  # it moved while we looked: the next tick looks again
            return None

    def _can_return(self, rollout: Rollout) -> bool:
        """Whether rolling back is a step of this rollout: it runs, or its candidate is still the champion, at the same
        endpoint and not at one that was made anew by its name."""
        if rollout.running:
            return True
        if rollout.state is not RolloutState.PROMOTED or not stands(rollout, route_of(self._traffic, rollout.endpoint)):
            return False
        history = self._traffic.history(rollout.endpoint, LOOKED_BACK)
        return any(route.champion == rollout.champion_version for route in history)

    def _settle(self, rollout_id: str) -> None:
        """Let workers know of the state's route; what cannot be done now is tried again at the next tick."""
        try:
            settle(self._metadata, self._traffic, self._clock, self.get(rollout_id))
        except TidewheelError as error:
            _log.warning("%s: its route could not be published, it will be tried again: %s", rollout_id, error)

    def _fold_batch(self) -> bool:
        """Fold the next batch of the log; whether there may be more to fold."""
        with self._metadata.read() as connection:
            cursor = self._predictions.load_cursor(connection, CONSUMER)
            running = store.running_rollouts(connection)
        batch = self._predictions.read(cursor)
        idle = not batch.predictions and not batch.labels and batch.cursor == (cursor or {})
        if idle and not any(rollout.plan.unit.switchback for rollout in running):
            return False
        labelled = self._labelled(batch) if any(rollout.plan.goal for rollout in running) else {}
        self._commit_batch(cursor, batch, labelled)
        return batch.more

    def _labelled(self, batch: LogBatch) -> dict[str, Prediction]:
        """The predictions that a batch's labels are about: of this batch, or from further back."""
        wanted = {label.id for label in batch.labels}
        here = {each.id: each for each in batch.predictions if each.arm == "live" and each.id in wanted}
        return here | self._predictions.find(sorted(wanted - here.keys()))

    def _commit_batch(self, cursor: dict[str, int] | None, batch: LogBatch, labelled: dict[str, Prediction]) -> None:
        with self._metadata.record() as connection:
            if self._predictions.load_cursor(connection, CONSUMER) != cursor:
                return  # another controller was faster; its fold is as good
            for rollout in store.running_rollouts(connection):
                watch = Watch(rollout, store.load_evidence(connection, rollout.id))
                fold(connection, watch, batch, labelled, self._clock.now_us())
            self._predictions.save_cursor(connection, CONSUMER, batch.cursor)

    def _present_champion(self, endpoint: str) -> str:
        route = self._traffic.route(endpoint)
        if route is None or not route.weights:
            raise Conflict(f"The endpoint {endpoint!r} serves no version yet.", fix="Set its route to one first.")
        weights = dict(route.weights)
        return max(weights, key=lambda version: weights[version])
