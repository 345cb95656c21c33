"""Drives one turn of a loop a step further. Reads like the story: gather, train, judge, roll out.

Each step is safe to repeat: what it starts elsewhere is started under the turn's id, and the turn's new state commits
with the journal entry that says so. A controller that dies anywhere goes on from the state it finds.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tidewheel.base.clock import Clock
from tidewheel.base.errors import Conflict, InvalidInput, NotFound
from tidewheel.base.units import parse_duration
from tidewheel.data import Data
from tidewheel.features import Features
from tidewheel.loop import store
from tidewheel.loop.definition import Loop
from tidewheel.loop.judging import judge
from tidewheel.loop.records import Turn
from tidewheel.loop.states import ENDED, Happening, TurnState, next_state
from tidewheel.pipelines import Pipelines, RunState
from tidewheel.registry import Registry, Verdict
from tidewheel.rollout import Rollout, Rollouts, RolloutState
from tidewheel.serving import Serving
from tidewheel.storage import Metadata

_FEWEST_HELD_OUT = 100


@dataclass(frozen=True, slots=True)
class TurnDriver:
    """The rooms that a turn needs; `step`, `note` and `cancel` are the verbs."""

    metadata: Metadata
    data: Data
    features: Features
    registry: Registry
    pipelines: Pipelines
    serving: Serving
    rollouts: Rollouts
    clock: Clock
    too_few: dict[str, int] = field(default_factory=dict)  # by turn, the commit whose rows did not suffice

    def step(self, loop: Loop, turn: Turn, target: str, champion: str | None) -> Turn:
        """Take the turn one step further if it can go; return it as it then stands. `champion` is the present one.

        Raises:
            Conflict: if someone else has moved the turn meanwhile.
        """
        if turn.state is TurnState.GATHERING:
            return self._gather(loop, turn, target, champion)
        if turn.state is TurnState.TRAINING:
            return self._train(turn)
        if turn.state is TurnState.JUDGING:
            return self._judge(loop, replace(turn, champion=champion))
        if turn.state is TurnState.ROLLING_OUT:
            return self._roll_out(turn)
        return turn

    def _gather(self, loop: Loop, turn: Turn, target: str, champion: str | None) -> Turn:
        """Wait for labelled rows since the change, then keep the newest of them for the gates and start training."""
        now, commit = self.clock.now(), self._newest_commit(loop)
        if commit is None or self.too_few.get(turn.id) == commit:
            return turn
        since = turn.change_at or now - parse_duration(loop.window)
        times = self._labelled_times(loop, since)
        enough = times.size >= loop.min_rows
        holdout_from = self._holdout_from(loop, times, now, champion) if enough else None
        if holdout_from is None:
            self.too_few[turn.id] = commit
            return turn
        run = self.pipelines.start(
            target, self._pipeline_parameters(loop, turn, holdout_from), cause=turn.cause, key=turn.id
        )
        moved = replace(turn, holdout_from=holdout_from, pipeline_run_id=run.id)
        return self._move(moved, Happening.ROWS_READY, {"rows": int(times.size)}, inputs=[f"pipeline_run:{run.id}"])

    def _train(self, turn: Turn) -> Turn:
        assert turn.pipeline_run_id is not None
        run = self.pipelines.run(turn.pipeline_run_id)
        if run.state is RunState.SUCCEEDED:
            try:
                candidate = self.pipelines.version_of(run.id)
            except InvalidInput as error:
                return self._move(replace(turn, outcome=error.message), Happening.PIPELINE_FAILED)
            moved = replace(turn, candidate=candidate)
            return self._move(moved, Happening.CANDIDATE_READY, inputs=[f"version:{candidate}"])
        if run.state in {RunState.FAILED, RunState.CANCELLED}:
            moved = replace(turn, outcome=f"the pipeline did not finish: {run.error or run.state}")
            return self._move(moved, Happening.PIPELINE_FAILED)
        return turn

    def _judge(self, loop: Loop, turn: Turn) -> Turn:
        """Let the gates compare candidate and champion on rows that neither was trained on."""
        assert turn.candidate is not None
        begun = self._begun_rollout(loop, turn)
        if begun is not None:
            return self._move(replace(turn, rollout_id=begun.id), Happening.GATES_PASSED, inputs=[begun.node])
        if self.rollouts.running(loop.endpoint) is not None:
            return turn  # someone else's rollout holds the endpoint; wait for its end
        candidate = self.registry.version(turn.candidate)
        champion = self.registry.version(turn.champion) if turn.champion else None
        rows = loop.features.training_rows(loop.rows, since=turn.holdout_from)
        verdicts = judge(loop, rows, candidate, champion, self.registry, self.features)
        moved = replace(turn, verdicts=tuple(asdict(verdict) for verdict in verdicts))
        refusal = _first_refusal(verdicts)
        if refusal is not None:
            moved = replace(moved, outcome=f"{refusal.gate} said no: {refusal.summary}")
            return self._move(moved, Happening.GATE_SAID_NO)
        if self.serving.champion(loop.endpoint) != turn.champion or not self._stands(turn):
            return turn  # someone acted while the gates looked; look again
        if champion is None:
            self.serving.set_route(loop.endpoint, {candidate.id: 100.0})
            self.registry.promote(candidate.id)
            moved = replace(moved, outcome="the first champion")
            return self._move(moved, Happening.NO_CHAMPION, inputs=[f"version:{candidate.id}"])
        plan = loop.rollout.plan(label=loop.label.name)
        begun = self.rollouts.start(loop.endpoint, champion.id, candidate.id, plan, cause=turn.cause)
        return self._move(replace(moved, rollout_id=begun.id), Happening.GATES_PASSED, inputs=[begun.node])

    def _roll_out(self, turn: Turn) -> Turn:
        assert turn.rollout_id is not None
        rollout = self.rollouts.get(turn.rollout_id)
        if rollout.state is RolloutState.PROMOTED:
            moved = replace(turn, outcome=rollout.reason)
            return self._move(moved, Happening.ROLLOUT_PROMOTED)
        if rollout.state in {RolloutState.ROLLED_BACK, RolloutState.ABORTED}:
            moved = replace(turn, outcome=rollout.reason)
            return self._move(moved, Happening.ROLLOUT_ENDED)
        return turn

    def cancel(self, turn: Turn, reason: str) -> Turn:
        """Stop a turn that is under way, and its pipeline run."""
        cancelled = self._move(replace(turn, outcome=reason), Happening.CANCEL)
        if turn.state is TurnState.TRAINING and turn.pipeline_run_id is not None:
            with suppress(Conflict):  # it has just ended
                self.pipelines.cancel(turn.pipeline_run_id)
        return cancelled

    def _begun_rollout(self, loop: Loop, turn: Turn) -> Rollout | None:
        """The rollout that was begun for the candidate before this process, or another, died or failed."""
        mine = (each for each in self.rollouts.ls(loop.endpoint) if each.candidate_version == turn.candidate)
        return next((each for each in mine if each.started_at >= turn.started_at), None)

    def _stands(self, turn: Turn) -> bool:
        with self.metadata.read() as connection:
            present = store.find_turn(connection, turn.id)
        return present is not None and present.state is turn.state

    def _move(
        self, turn: Turn, happening: Happening, data: dict[str, Any] | None = None, *, inputs: list[str] | None = None
    ) -> Turn:
        now = self.clock.now()
        state = next_state(turn.state, happening)
        moved = replace(turn, state=state, updated_at=now, ended_at=now if state in ENDED else None)
        kind = "loop.turn.ended" if state in ENDED else "loop.turn.moved"
        facts = {"loop": turn.loop, "state": state.value, "happening": happening.value, "outcome": moved.outcome}
        if happening in {Happening.GATES_PASSED, Happening.GATE_SAID_NO, Happening.NO_CHAMPION}:
            facts["verdicts"] = list(moved.verdicts)  # type: ignore[assignment]
        self._save(turn.state, moved, kind, {**facts, **(data or {})}, inputs or ())
        return moved

    def note(self, turn: Turn, facts: dict[str, Any]) -> Turn:
        """Keep what has changed of a turn that stays in its state."""
        facts = {"loop": turn.loop, "state": turn.state.value, **facts}
        self._save(turn.state, turn, "loop.turn.moved", facts, [f"alert:{alert}" for alert in turn.alerts])
        return turn

    def _save(self, seen: TurnState, turn: Turn, kind: str, facts: dict[str, Any], inputs: Sequence[str]) -> None:
        with self.metadata.change(actor=f"loop:{turn.loop}", cause=turn.cause) as change:
            present = store.find_turn(change.connection, turn.id)
            if present is None or present.state is not seen:
                stands = present.state if present else "gone"
                raise Conflict(f"The turn {turn.id} is {stands} by now, not {seen}.", fix="Look again.")
            store.save_turn(change, turn)
            change.emit(kind, f"turn:{turn.id}", facts, inputs=inputs)

    def _holdout_from(
        self, loop: Loop, times: np.ndarray[Any, Any], now: datetime, champion: str | None
    ) -> datetime | None:
        """From when on rows are the gates': none that the champion was trained on; None while those are too few."""
        declared = first_held_out(loop.holdout, times, now)
        trained_until = self._trained_until(champion) if champion else None
        if trained_until is None or trained_until < declared:
            return declared
        wanted = min(_held_out(times, declared), max(_FEWEST_HELD_OUT, loop.min_rows // 5))
        holdout_from = trained_until + timedelta(microseconds=1)
        return holdout_from if _held_out(times, holdout_from) >= wanted else None

    def _trained_until(self, version_id: str) -> datetime | None:
        """The instant of the newest row that a version was trained on, as far as its reference tells."""
        try:
            reference = self.registry.reference(version_id)
        except NotFound:
            return None
        if "at" not in reference.column_names or not reference.num_rows:
            return None
        newest: datetime = reference.column("at").to_numpy().astype("datetime64[us]").max().item()
        return newest.replace(tzinfo=UTC)

    def _newest_commit(self, loop: Loop) -> int | None:
        try:
            return self.data.resolve(loop.rows.name).number
        except NotFound:
            return None

    def _labelled_times(self, loop: Loop, since: datetime) -> np.ndarray[Any, Any]:
        time = loop.features.time_column(loop.rows)
        rows = self.data.read(loop.rows.name, columns=[time, loop.label.name], since=(time, since))
        known = rows.filter(rows.column(loop.label.name).is_valid())
        times: np.ndarray[Any, Any] = known.column(time).to_numpy().astype("datetime64[us]")
        return times

    def _pipeline_parameters(self, loop: Loop, turn: Turn, holdout_from: datetime) -> dict[str, Any]:
        offered = {
            "since": turn.change_at.isoformat() if turn.change_at else None,
            "until": holdout_from.isoformat(),
            "window": loop.window,
        }
        taken = inspect.signature(loop.pipeline).parameters
        return {name: value for name, value in offered.items() if name in taken}


def _held_out(times: np.ndarray[Any, Any], since: datetime) -> int:
    return int((times >= np.datetime64(since.replace(tzinfo=None), "us")).sum())


def first_held_out(holdout: float | str, times: np.ndarray[Any, Any], now: datetime) -> datetime:
    """From when on rows are the gates': the newest share of them, or the newest days up to half of them."""
    share = 0.5 if isinstance(holdout, str) else holdout
    split: datetime = np.sort(times)[int(times.size * (1 - share))].astype("datetime64[us]").item()
    begins = split.replace(tzinfo=now.tzinfo)
    return max(begins, now - parse_duration(holdout)) if isinstance(holdout, str) else begins


def _first_refusal(verdicts: list[Verdict]) -> Verdict | None:
    return next((verdict for verdict in verdicts if not verdict.passed), None)
