"""Turns a batch of the prediction log into evidence: which stage and arm a record belongs to, and what it adds there.

Called by `Rollouts.tick` within the transaction that also moves the log's cursor, so that every record counts exactly
once, whatever dies. A record belongs to the stage in force at its own instant; records between a decision and the
moment when every worker routed by it belong to none. Only a server's failures speak against a version (500 and above,
and 429, which says that its own queue was full); what the caller got wrong (the other 4xx) is left out. But a shadow
that refuses what the champion has answered is wrong itself, and has failed. A label counts once, the first time it is
seen.

Units: predictions of one unit (a caller's key, a switchback window) are summed before anything is squared, so that a
rider who asks ten times is one observation of ten rows, not ten observations. A switchback window counts when it has
closed: one more window's length after its end, for its labels; a window cut by a change of stage is left out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from tidewheel.base.errors import Corrupt, Overloaded
from tidewheel.base.units import to_us
from tidewheel.rollout import store
from tidewheel.rollout.evidence import Arm, StageEvidence, Sums
from tidewheel.rollout.records import Rollout
from tidewheel.storage.predictions import Label, LogBatch, Prediction

Place = tuple[int, Arm]
Request = tuple[str, int]
"""A request's id and instant: one that was refused may be sent again under its id, and is another one then."""


@dataclass(slots=True)
class Watch:
    """A running rollout while a batch is folded: where records belong, and the evidence they are added to."""

    rollout: Rollout
    evidence: list[StageEvidence]
    touched: set[int] = field(default_factory=set)

    def place(self, prediction: Prediction) -> Place | None:
        """The stage and arm of a prediction, or None if it is not part of the comparison."""
        arm = self._arm(prediction)
        if arm is None:
            return None
        for stage in reversed(self.rollout.stages):
            if stage.effective_at is None or prediction.at_us < to_us(stage.effective_at):
                continue
            if stage.ended_at is not None and prediction.at_us >= to_us(stage.ended_at):
                return None
            unseen = stage.share == 0 and arm is Arm.CANDIDATE
            return (stage.number, arm) if prediction.arm == ("shadow" if unseen else "live") else None
        return None

    def _arm(self, prediction: Prediction) -> Arm | None:
        if prediction.endpoint != self.rollout.endpoint:
            return None
        if prediction.version == self.rollout.candidate_version:
            return Arm.CANDIDATE
        return Arm.CHAMPION if prediction.version == self.rollout.champion_version else None


def fold(
    connection: Connection, watch: Watch, batch: LogBatch, labelled: Mapping[str, Prediction], now_us: int
) -> None:
    """Add a batch to a rollout's evidence and save what changed; `labelled` holds the predictions of its labels."""
    _fold_requests(watch, batch.predictions)
    _fold_labels(connection, watch, batch.labels, labelled)
    _close_windows(connection, watch, now_us)
    for number in watch.touched:
        store.change_stage(connection, watch.rollout.id, number, evidence=watch.evidence[number].to_dict())


def _fold_requests(watch: Watch, predictions: Iterable[Prediction]) -> None:
    seen: dict[Place, dict[Request, Prediction]] = defaultdict(dict)
    for prediction in predictions:
        place = watch.place(prediction)
        if place:
            request = prediction.request_id, prediction.at_us
            seen[place].setdefault(request, prediction)  # rows of one request fail as one
    for (number, arm), by_request in seen.items():
        answered = _answered(seen.get((number, Arm.CHAMPION), {})) if arm is Arm.CANDIDATE else frozenset()
        found = [(_held_against(watch, number, p, key in answered), p) for key, p in by_request.items()]
        compared = [(status, p) for status, p in found if _is_compared(watch, number, status)]
        statuses, latencies_ms = [status for status, _ in compared], [p.latency_us / 1000 for _, p in compared]
        watch.evidence[number].arm(arm).add_requests(statuses, latencies_ms)
        watch.touched.add(number)
    _fold_agreement(watch, seen)


def _answered(champions: Mapping[Request, Prediction]) -> frozenset[Request]:
    """The requests that the champion has answered."""
    return frozenset(request for request, prediction in champions.items() if prediction.status < 400)


def _held_against(watch: Watch, number: int, prediction: Prediction, answered: bool) -> int:
    """The status that counts: that a shadow refuses what the champion could answer is no fault of the caller's."""
    refused = _is_refusal(prediction.status) and watch.rollout.plan.share(number) == 0
    return Corrupt.status if refused and answered else prediction.status


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status != Overloaded.status


def _is_compared(watch: Watch, number: int, status: int) -> bool:
    """Whether an outcome is part of the comparison. A shadow's requests meet no queue, so the champion's that met a
    full one are left out beside it."""
    if status == Overloaded.status:
        return watch.rollout.plan.share(number) > 0
    return not _is_refusal(status)


def _fold_agreement(watch: Watch, seen: Mapping[Place, Mapping[Request, Prediction]]) -> None:
    """In the shadow both arms answer the same request; pairs that two batches tear apart are left out."""
    for (number, arm), candidates in seen.items():
        if arm is Arm.CHAMPION or watch.rollout.plan.share(number):
            continue
        champions = seen.get((number, Arm.CHAMPION), {})
        for request in candidates.keys() & champions.keys():
            pair = champions[request], candidates[request]
            if all(_is_compared(watch, number, each.status) for each in pair):
                watch.evidence[number].agreement.add(*(each.output_values() for each in pair))


def _fold_labels(
    connection: Connection, watch: Watch, labels: Sequence[Label], predictions: Mapping[str, Prediction]
) -> None:
    goal = watch.rollout.plan.goal
    if goal is None:
        return
    fresh: dict[str, tuple[Label, Place]] = {}
    for label in labels:
        prediction = predictions.get(label.id)
        place = watch.place(prediction) if prediction else None
        value = label.values.get(goal.key)
        if place and watch.rollout.plan.share(place[0]) and value is not None and math.isfinite(value):
            fresh.setdefault(label.id, (label, place))
    known = store.already_labelled(connection, watch.rollout.id, list(fresh))
    counted = {each: found for each, found in fresh.items() if each not in known}
    store.add_labelled(connection, watch.rollout.id, counted)
    _add_values(connection, watch, [(predictions[each], *found) for each, found in counted.items()], goal.key)


def _add_values(
    connection: Connection, watch: Watch, found: Sequence[tuple[Prediction, Label, Place]], key: str
) -> None:
    """Sum values by unit, beside what the unit had before."""
    sums: dict[tuple[int, Arm, str], list[float]] = defaultdict(list)
    closes: dict[str, int] = {}
    for prediction, label, (number, arm) in found:
        window = _window(watch, prediction, number)
        if window is not None:
            unit, closes[unit] = window
            sums[number, arm, unit].append(label.values[key])
    known = {(row.stage, row.arm, row.unit): row for row in store.find_units(connection, watch.rollout.id, _kept(sums))}
    grown: dict[Place, list[tuple[Sums, Sums]]] = defaultdict(list)
    for (number, arm, unit), values in sums.items():
        row = known.get((number, arm, unit))
        if row is not None and row.closed:
            continue  # the window was counted; a straggler must not count it again
        before = (row.total, row.rows) if row is not None else (0.0, 0)
        after = (before[0] + math.fsum(values), before[1] + len(values))
        columns = {"total": after[0], "rows": after[1], "closes_at_us": closes[unit] or None, "closed": False}
        if not unit.startswith(_ALONE):
            store.save_unit(connection, (watch.rollout.id, number, arm, unit), row is None, **columns)
        if not closes[unit]:
            grown[number, arm].append((before, after))
    _grow(watch, grown)


_ALONE = "\0"  # marks a unit that can only ever have this one prediction, so that its sum need not be kept


def _window(watch: Watch, prediction: Prediction, number: int) -> tuple[str, int] | None:
    """A prediction's unit and when that closes (0: it never does); None if its window was cut by the stage's start."""
    plan = watch.rollout.plan
    if not plan.unit.switchback:
        alone = prediction.unit in ("", prediction.id)
        return (_ALONE + prediction.id if alone else prediction.unit), 0
    window_us = round(plan.unit.window_s * 1e6)
    begins_us = prediction.at_us // window_us * window_us
    effective_at = watch.rollout.stages[number].effective_at
    if effective_at is None or begins_us < to_us(effective_at):
        return None
    return prediction.unit, begins_us + 2 * window_us  # serving names the unit after entity and window


def _kept(sums: Iterable[tuple[int, Arm, str]]) -> list[str]:
    return sorted({unit for _, _, unit in sums if not unit.startswith(_ALONE)})


def _close_windows(connection: Connection, watch: Watch, now_us: int) -> None:
    if watch.rollout.plan.unit.switchback:
        window_us = round(watch.rollout.plan.unit.window_s * 1e6)
        grown: dict[Place, list[tuple[Sums, Sums]]] = defaultdict(list)
        for row in store.close_units(connection, watch.rollout.id, now_us):
            ended_at = watch.rollout.stages[row.stage].ended_at
            if ended_at is None or row.closes_at_us - window_us <= to_us(ended_at):  # else the stage's end cut it
                grown[row.stage, Arm(row.arm)].append(((0.0, 0), (row.total, row.rows)))
        _grow(watch, grown)


def _grow(watch: Watch, grown: Mapping[Place, Sequence[tuple[Sums, Sums]]]) -> None:
    for (number, arm), units in grown.items():
        watch.evidence[number].arm(arm).add_units(units)
        watch.touched.add(number)
