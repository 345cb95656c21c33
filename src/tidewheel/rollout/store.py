"""All SQL of the room. No other room names these tables.

`rollout_units` and `rollout_labelled` are the working memory of the fold (sums by unit, labels already counted); they
are emptied when a rollout ends. Everything else is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.rollout.evidence import StageEvidence
from tidewheel.rollout.plans import Plan
from tidewheel.rollout.records import Decision, Rollout, Stage
from tidewheel.rollout.states import RUNNING, Move, RolloutState
from tidewheel.storage import Json, schema

_AT_ONCE = 500  # bound parameters a statement, well below every database's limit

rollouts = Table(
    "rollout_rollouts",
    schema,
    Column("id", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("champion_version", Text, nullable=False),
    Column("candidate_version", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("plan", Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text),
    Column("entry_id", Text, nullable=False),
    Column("alias_due", Text),
    Column("settled", Boolean, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Index("ix_rollout_rollouts_endpoint_started", "endpoint", "started_at_us"),
    Index("ix_rollout_rollouts_state", "state"),
)
stages = Table(
    "rollout_stages",
    schema,
    Column("rollout_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("share", Float, nullable=False),
    Column("entered_at_us", BigInteger, nullable=False),
    Column("effective_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Column("evidence", Json, nullable=False),
)
decisions = Table(
    "rollout_decisions",
    schema,
    Column("id", Text, primary_key=True),
    Column("rollout_id", Text, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("stage_name", Text, nullable=False),
    Column("move", Text, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("entry_id", Text, nullable=False),
    Index("ix_rollout_decisions_rollout_id", "rollout_id", "id"),
)
units = Table(
    "rollout_units",
    schema,
    Column("rollout_id", Text, primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("total", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("closes_at_us", BigInteger),
    Column("closed", Boolean, nullable=False),
)
labelled = Table(
    "rollout_labelled",
    schema,
    Column("rollout_id", Text, primary_key=True),
    Column("prediction_id", Text, primary_key=True),
)


def add_rollout(connection: Connection, rollout: Rollout) -> None:
    """Keep a new rollout; its stages are added as they are entered."""
    connection.execute(insert(rollouts).values(**_rollout_columns(rollout)))


def change_rollout(connection: Connection, rollout_id: str, **columns: Any) -> None:
    """Set columns of a rollout."""
    connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(**columns))


def enter_stage(connection: Connection, rollout: Rollout, number: int, at_us: int) -> None:
    """Begin a stage, with nothing known of it."""
    connection.execute(
        insert(stages).values(
            rollout_id=rollout.id,
            number=number,
            name=rollout.plan.stage_name(number),
            share=rollout.plan.share(number),
            entered_at_us=at_us,
            evidence=StageEvidence().to_dict(),
        )
    )


def change_stage(connection: Connection, rollout_id: str, number: int, **columns: Any) -> None:
    """Set columns of a stage."""
    mine = (stages.c.rollout_id == rollout_id) & (stages.c.number == number)
    connection.execute(update(stages).where(mine).values(**columns))


def find_rollout(connection: Connection, rollout_id: str) -> Rollout | None:
    """The rollout of an id, or None."""
    found = _with_stages(connection, connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).all())
    return found[0] if found else None


def list_rollouts(connection: Connection, endpoint: str | None = None, limit: int = 100) -> list[Rollout]:
    """Rollouts, newest first."""
    query = select(rollouts).order_by(rollouts.c.started_at_us.desc(), rollouts.c.id.desc()).limit(limit)
    if endpoint is not None:
        query = query.where(rollouts.c.endpoint == endpoint)
    return _with_stages(connection, connection.execute(query).all())


def running_rollouts(connection: Connection) -> list[Rollout]:
    """The rollouts whose walk goes on, oldest first."""
    query = select(rollouts).where(rollouts.c.state.in_(sorted(RUNNING))).order_by(rollouts.c.id)
    return _with_stages(connection, connection.execute(query).all())


def unsettled_rollouts(connection: Connection) -> list[Rollout]:
    """The ended rollouts whose last route or alias is still to be set, oldest first."""
    query = select(rollouts).where(rollouts.c.settled.is_(False), rollouts.c.state.not_in(sorted(RUNNING)))
    return _with_stages(connection, connection.execute(query.order_by(rollouts.c.id)).all())


def load_evidence(connection: Connection, rollout_id: str) -> list[StageEvidence]:
    """What is known of each stage entered so far, in order."""
    query = select(stages.c.evidence).where(stages.c.rollout_id == rollout_id).order_by(stages.c.number)
    return [StageEvidence.from_dict(state) for state in connection.scalars(query)]


def add_decision(connection: Connection, decision: Decision) -> None:
    """Keep a decision."""
    columns = {name: getattr(decision, name) for name in decision.__slots__ if name != "at"}
    columns |= {"at_us": to_us(decision.at), "move": str(decision.move)}
    columns |= {"from_state": str(decision.from_state), "to_state": str(decision.to_state)}
    connection.execute(insert(decisions).values(**columns))


def list_decisions(connection: Connection, rollout_id: str) -> list[Decision]:
    """The decisions of a rollout, oldest first."""
    query = select(decisions).where(decisions.c.rollout_id == rollout_id).order_by(decisions.c.id)
    return [_decision(row) for row in connection.execute(query)]


def already_labelled(connection: Connection, rollout_id: str, ids: Sequence[str]) -> set[str]:
    """Which of these predictions were counted already."""
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        part = labelled.c.prediction_id.in_(ids[start : start + _AT_ONCE])
        found.update(
            connection.scalars(select(labelled.c.prediction_id).where(labelled.c.rollout_id == rollout_id, part))
        )
    return found


def add_labelled(connection: Connection, rollout_id: str, ids: Iterable[str]) -> None:
    """Note that these predictions are counted."""
    rows = [{"rollout_id": rollout_id, "prediction_id": each} for each in ids]
    if rows:
        connection.execute(insert(labelled), rows)


def find_units(connection: Connection, rollout_id: str, names: Sequence[str]) -> list[Row[Any]]:
    """The sums of these units, in whatever stage and arm."""
    found: list[Row[Any]] = []
    for start in range(0, len(names), _AT_ONCE):
        part = units.c.unit.in_(names[start : start + _AT_ONCE])
        found.extend(connection.execute(select(units).where(units.c.rollout_id == rollout_id, part)))
    return found


def save_unit(connection: Connection, key: tuple[str, int, str, str], new: bool, **columns: Any) -> None:
    """Keep a unit's sums; `key` is (rollout, stage, arm, unit)."""
    names = dict(zip(("rollout_id", "stage", "arm", "unit"), key, strict=True))
    if new:
        connection.execute(insert(units).values(**names, **columns))
    else:
        mine = [units.c[name] == value for name, value in names.items()]
        connection.execute(update(units).where(*mine).values(**columns))


def close_units(connection: Connection, rollout_id: str, at_us: int) -> list[Row[Any]]:
    """Close the switchback windows whose time has come and return them."""
    due = (units.c.rollout_id == rollout_id) & units.c.closed.is_(False) & (units.c.closes_at_us <= at_us)
    found = connection.execute(select(units).where(due)).all()
    if found:
        connection.execute(update(units).where(due).values(closed=True))
    return list(found)


def forget_working_memory(connection: Connection, rollout_id: str) -> None:
    """Drop what only a running rollout needs."""
    connection.execute(delete(units).where(units.c.rollout_id == rollout_id))
    connection.execute(delete(labelled).where(labelled.c.rollout_id == rollout_id))


def _rollout_columns(rollout: Rollout) -> dict[str, Any]:
    same = ("id", "endpoint", "champion_version", "candidate_version", "stage", "reason", "cause", "entry_id")
    return {
        **{name: getattr(rollout, name) for name in (*same, "alias_due", "settled")},
        "state": str(rollout.state),
        "plan": msgspec.to_builtins(rollout.plan),
        "started_at_us": to_us(rollout.started_at),
    }


def _with_stages(connection: Connection, rows: Sequence[Row[Any]]) -> list[Rollout]:
    """Stage rows without their evidence, which is large and seldom wanted."""
    columns = [column for column in stages.c if column.name != "evidence"]
    by_rollout: dict[str, list[Stage]] = {row.id: [] for row in rows}
    for start in range(0, len(rows), _AT_ONCE):
        ids = [row.id for row in rows[start : start + _AT_ONCE]]
        query = select(*columns).where(stages.c.rollout_id.in_(ids)).order_by(stages.c.number)
        for row in connection.execute(query):
            by_rollout[row.rollout_id].append(_stage(row))
    return [_rollout(row, tuple(by_rollout[row.id])) for row in rows]


def _rollout(row: Row[Any], entered: tuple[Stage, ...]) -> Rollout:
    same = ("id", "endpoint", "champion_version", "candidate_version", "stage", "reason", "cause", "entry_id")
    return Rollout(
        **{name: getattr(row, name) for name in (*same, "alias_due", "settled")},
        state=RolloutState(row.state),
        stages=entered,
        plan=msgspec.convert(row.plan, Plan),
        started_at=from_us(row.started_at_us),
        ended_at=_maybe_at(row.ended_at_us),
    )


def _stage(row: Row[Any]) -> Stage:
    effective_at, ended_at = _maybe_at(row.effective_at_us), _maybe_at(row.ended_at_us)
    return Stage(row.number, row.name, row.share, from_us(row.entered_at_us), effective_at, ended_at)


def _decision(row: Row[Any]) -> Decision:
    same = ("id", "rollout_id", "stage", "stage_name", "reason", "evidence", "actor", "entry_id")
    return Decision(
        **{name: getattr(row, name) for name in same},
        move=Move(row.move),
        from_state=RolloutState(row.from_state),
        to_state=RolloutState(row.to_state),
        at=from_us(row.at_us),
    )


def _maybe_at(at_us: int | None) -> datetime | None:
    return None if at_us is None else from_us(at_us)
