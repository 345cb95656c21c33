"""The room's verbs: start a rollout, turn its wheel (`tick`), stop it, look at it.

`app.py` constructs it; the loop starts rollouts, the controller ticks, people abort and roll back. Every decision is
one transaction (state, stage, journal) and only then takes effect on traffic and aliases; effects are repeatable and
follow from the state, so a process that dies between the two is caught up with at the next tick. It must never keep
anything in memory that a `kill -9` would miss.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput, NotFound, TidewheelError
from tidewheel.rollout import store
from tidewheel.rollout.fold import Watch, fold
from tidewheel.rollout.judge import Judgement, judge
from tidewheel.rollout.plans import Canary, Plan
from tidewheel.rollout.records import Decision, Rollout
from tidewheel.rollout.seams import Aliases, Traffic
from tidewheel.rollout.settle import settle
from tidewheel.rollout.states import Move, RolloutState
from tidewheel.rollout.walk import begin, make_move
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
            Conflict: if a rollout is running on this endpoint, or it serves nothing yet.
            InvalidInput: if candidate and champion are the same version.
        """
        champion = champion_version or self._present_champion(endpoint)
        if champion == candidate_version:
            raise InvalidInput(f"{champion} is the champion of {endpoint!r} already.", fix="Name another version.")
        rules = plan.plan() if isinstance(plan, Canary) else plan or Canary().plan()
        with self._metadata.change(cause=cause) as change:
            rollout = begin(change, endpoint, champion, candidate_version, rules, self._clock)
        try:
            settle(self._metadata, self._traffic, self._aliases, self._clock, rollout)
        except TidewheelError as error:
            self._by_hand(self.get(rollout.id), Move.ABORT, f"It could not begin: {error.message}")
            raise
        return self.get(rollout.id)

    def tick(self) -> list[Decision]:
        """One turn: catch up on due effects, fold new log batches, judge, decide. Returns the decisions made."""
        with self._metadata.read() as connection:
            open_ids = [r.id for r in (*store.unsettled_rollouts(connection), *store.running_rollouts(connection))]
        for rollout_id in open_ids:
            self._settle(rollout_id)
        for _ in range(_BATCHES_PER_TICK):
            if not self._fold_batch():
                break
        with self._metadata.read() as connection:
            running = store.running_rollouts(connection)
        return [decision for rollout in running if (decision := self._judge(rollout))]

    @door("POST", "/rollout/rollouts/{rollout_id}/abort")
    def abort(self, rollout_id: str, reason: str = "Stopped by hand.") -> Rollout:
        """Stop a running rollout; the champion gets all traffic again.

        Raises:
            Conflict: if it is not running.
        """
        return self._by_hand(self.get(rollout_id), Move.ABORT, reason)

    @door("POST", "/rollout/endpoints/{endpoint}/rollback")
    def rollback(self, endpoint: str, reason: str = "Rolled back by hand.") -> Rollout:
        """Give an endpoint back to the champion of its newest rollout, whether that runs or ended in promotion.

        Raises:
            NotFound: if the endpoint never had a rollout.
            Conflict: if its newest rollout left the champion in place anyway, or another version was deployed since.
        """
        found = self.ls(endpoint, limit=1)
        if not found:
            raise NotFound(
                f"There was no rollout on {endpoint!r}.", fix="`tidewheel endpoints ls` lists what there is."
            )
        newest = found[0]
        if newest.state is RolloutState.PROMOTED and self._present_champion(endpoint) != newest.candidate_version:
            raise Conflict(
                f"{endpoint!r} has been given to another version since {newest.candidate_version} was promoted.",
                fix="Set its route to the version that you want.",
            )
        return self._by_hand(newest, Move.ROLLBACK, reason)

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
                decision = make_move(change, rollout, found, self._clock)
        except Conflict:  # a person was faster; the next tick sees what they did
            return None
        self._settle(rollout.id)
        return decision

    def _by_hand(self, rollout: Rollout, move: Move, reason: str) -> Rollout:
        found = replace(self._look(rollout), move=move, reason=reason)
        with self._metadata.change() as change:
            make_move(change, rollout, found, self._clock)
        self._settle(rollout.id)
        return self.get(rollout.id)

    def _settle(self, rollout_id: str) -> None:
        """Make the world agree with the state; what cannot be done now is tried again at the next tick."""
        try:
            settle(self._metadata, self._traffic, self._aliases, self._clock, self.get(rollout_id))
        except TidewheelError as error:
            _log.warning("%s: its route could not be set, it will be tried again: %s", rollout_id, error)

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
