"""Drives one turn of a loop a step further. Reads like the story: gather, train, judge, roll out.

Each step is safe to repeat: what it starts elsewhere is started under the turn's id, and the turn's new state commits
with the journal entry that says so. A controller that dies anywhere goes on from the state it finds.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from tidewheel.base.clock import Clock
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
from tidewheel.rollout import Rollouts, RolloutState
from tidewheel.serving import Serving
from tidewheel.storage import Metadata


@dataclass(frozen=True, slots=True)
class TurnDriver:
    """The rooms that a turn needs; `step` is the only verb."""

    metadata: Metadata
    data: Data
    features: Features
    registry: Registry
    pipelines: Pipelines
    serving: Serving
    rollouts: Rollouts
    clock: Clock

    def step(self, loop: Loop, turn: Turn, target: str) -> Turn:
        """Take the turn one step further if it can go; return it as it then stands."""
        if turn.state is TurnState.GATHERING:
            return self._gather(loop, turn, target)
        if turn.state is TurnState.TRAINING:
            return self._train(turn)
        if turn.state is TurnState.JUDGING:
            return self._judge(loop, turn)
        if turn.state is TurnState.ROLLING_OUT:
            return self._roll_out(turn)
        return turn

    def _gather(self, loop: Loop, turn: Turn, target: str) -> Turn:
        """Wait for labelled rows since the change, then keep the newest of them for the gates and start training."""
        now = self.clock.now()
        since = turn.change_at or now - parse_duration(loop.window)
        times = self._labelled_times(loop, since)
        if times.size < loop.min_rows:
            return turn
        holdout_from = first_held_out(loop.holdout, times, now)
        run = self.pipelines.start(
            target, self._pipeline_parameters(loop, turn, holdout_from), cause=turn.cause, key=turn.id
        )
        moved = replace(turn, holdout_from=holdout_from, pipeline_run_id=run.id)
        return self._move(moved, Happening.ROWS_READY, {"rows": int(times.size)}, inputs=[f"pipeline_run:{run.id}"])

    def _train(self, turn: Turn) -> Turn:
        assert turn.pipeline_run_id is not None
        run = self.pipelines.run(turn.pipeline_run_id)
        if run.state is RunState.SUCCEEDED:
            candidate = self.pipelines.version_of(run.id)
            moved = replace(turn, candidate=candidate)
            return self._move(moved, Happening.CANDIDATE_READY, inputs=[f"version:{candidate}"])
        if run.state in {RunState.FAILED, RunState.CANCELLED}:
            moved = replace(turn, outcome=f"the pipeline did not finish: {run.error or run.state}")
            return self._move(moved, Happening.PIPELINE_FAILED)
        return turn

    def _judge(self, loop: Loop, turn: Turn) -> Turn:
        """Let the gates compare candidate and champion on rows that neither was trained on."""
        assert turn.candidate is not None
        candidate = self.registry.version(turn.candidate)
        champion = self.registry.version(turn.champion) if turn.champion else None
        rows = loop.features.training_rows(loop.rows, since=turn.holdout_from)
        verdicts = judge(loop, rows, candidate, champion, self.registry, self.features)
        moved = replace(turn, verdicts=tuple(asdict(verdict) for verdict in verdicts))
        refusal = _first_refusal(verdicts)
        if refusal is not None:
            moved = replace(moved, outcome=f"{refusal.gate} said no: {refusal.summary}")
            return self._move(moved, Happening.GATE_SAID_NO)
        if champion is None:
            self.serving.set_route(loop.endpoint, {candidate.id: 100.0})
            self.registry.promote(candidate.id)
            moved = replace(moved, outcome="the first champion")
            return self._move(moved, Happening.NO_CHAMPION, inputs=[f"version:{candidate.id}"])
        running = next((each for each in self.rollouts.ls(loop.endpoint) if each.running), None)
        if running is None:
            plan = loop.rollout.plan(label=loop.label.name)
            running = self.rollouts.start(loop.endpoint, champion.id, candidate.id, plan, cause=turn.cause)
        elif running.candidate_version != candidate.id:
            return turn  # someone else's rollout holds the endpoint; wait for its end
        moved = replace(moved, rollout_id=running.id)
        return self._move(moved, Happening.GATES_PASSED, inputs=[f"rollout:{running.id}"])

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
        """Stop a turn that is under way."""
        return self._move(replace(turn, outcome=reason), Happening.CANCEL)

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
        with self.metadata.change(actor=f"loop:{turn.loop}", cause=turn.cause) as change:
            store.save_turn(change, moved)
            change.emit(kind, f"turn:{turn.id}", {**facts, **(data or {})}, inputs=inputs or ())
        return moved

    def _labelled_times(self, loop: Loop, since: datetime) -> np.ndarray[Any, Any]:
        time = loop.features.time_column(loop.rows)
        if loop.rows.name not in {dataset.name for dataset in self.data.ls()}:
            return np.empty(0, dtype="datetime64[us]")
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


def first_held_out(holdout: float | str, times: np.ndarray[Any, Any], now: datetime) -> datetime:
    """From when on rows are the gates': the newest share of them, or the newest days up to half of them."""
    share = 0.5 if isinstance(holdout, str) else holdout
    split: datetime = np.sort(times)[int(times.size * (1 - share))].astype("datetime64[us]").item()
    begins = split.replace(tzinfo=now.tzinfo)
    return max(begins, now - parse_duration(holdout)) if isinstance(holdout, str) else begins


def _first_refusal(verdicts: list[Verdict]) -> Verdict | None:
    return next((verdict for verdict in verdicts if not verdict.passed), None)
