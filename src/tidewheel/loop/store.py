"""All SQL of the loop: `loop_loops` (what is declared) and `loop_turns` (each pass)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Row, Table, Text, func, insert, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.loop.records import LoopRecord, Turn
from tidewheel.loop.states import ENDED, TurnState
from tidewheel.storage import Change, Json, schema

loops = Table(
    "loop_loops",
    schema,
    Column("name", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("spec", Json, nullable=False),
    Column("champion", Text),
    Column("trained_at_us", BigInteger),
    Column("declared_at_us", BigInteger, nullable=False),
)
turns = Table(
    "loop_turns",
    schema,
    Column("id", Text, primary_key=True),
    Column("loop", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("alerts", Json, nullable=False),
    Column("cause", Text),
    Column("change_at_us", BigInteger),
    Column("started_at_us", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Column("holdout_from_us", BigInteger),
    Column("pipeline_run_id", Text),
    Column("candidate", Text),
    Column("champion", Text),
    Column("rollout_id", Text),
    Column("verdicts", Json, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("ix_loop_turns_loop_started", "loop", "started_at_us"),
)


def put_loop(change: Change, record: LoopRecord) -> None:
    """Insert a declared loop, or replace its declaration."""
    fields = {
        "endpoint": record.endpoint,
        "target": record.target,
        "paused": record.paused,
        "spec": record.spec,
        "champion": record.champion,
        "trained_at_us": _us(record.trained_at),
        "declared_at_us": to_us(record.declared_at),
    }
    known = update(loops).where(loops.c.name == record.name).values(**fields)
    if change.execute(known).rowcount == 0:
        change.execute(insert(loops).values(name=record.name, **fields))


def set_paused(change: Change, name: str, paused: bool) -> None:
    """Pause a loop or let it go on."""
    change.execute(update(loops).where(loops.c.name == name).values(paused=paused))


def set_champion(change: Change, name: str, version_id: str, trained_at: datetime) -> None:
    """Note which version the loop now defends, and when its training ended."""
    values = {"champion": version_id, "trained_at_us": to_us(trained_at)}
    change.execute(update(loops).where(loops.c.name == name).values(**values))


def all_loops(connection: Connection) -> list[LoopRecord]:
    """Every declared loop, by name."""
    return [_loop(row) for row in connection.execute(select(loops).order_by(loops.c.name))]


def find_loop(connection: Connection, name: str) -> LoopRecord | None:
    """One loop, or None."""
    row = connection.execute(select(loops).where(loops.c.name == name)).first()
    return _loop(row) if row else None


def insert_turn(change: Change, turn: Turn) -> None:
    """Insert a new turn."""
    change.execute(insert(turns).values(id=turn.id, **_turn_values(turn)))


def save_turn(change: Change, turn: Turn) -> None:
    """Store a turn's present state."""
    change.execute(update(turns).where(turns.c.id == turn.id).values(**_turn_values(turn)))


def active_turn(connection: Connection, loop: str) -> Turn | None:
    """The turn under way, or None."""
    going = turns.c.state.not_in(sorted(ENDED))
    row = connection.execute(select(turns).where(turns.c.loop == loop, going)).first()
    return _turn(row) if row else None


def find_turn(connection: Connection, turn_id: str) -> Turn | None:
    """One turn, or None."""
    row = connection.execute(select(turns).where(turns.c.id == turn_id)).first()
    return _turn(row) if row else None


def turns_of(connection: Connection, loop: str, limit: int) -> list[Turn]:
    """The newest turns of a loop, newest first."""
    query = select(turns).where(turns.c.loop == loop).order_by(turns.c.started_at_us.desc(), turns.c.id.desc())
    return [_turn(row) for row in connection.execute(query.limit(limit))]


def count_turns(connection: Connection, loop: str) -> int:
    """How many turns a loop has made or begun."""
    return connection.execute(select(func.count()).where(turns.c.loop == loop)).scalar_one()


def _loop(row: Row[Any]) -> LoopRecord:
    return LoopRecord(
        name=row.name,
        endpoint=row.endpoint,
        target=row.target,
        paused=row.paused,
        spec=row.spec,
        champion=row.champion,
        trained_at=_at(row.trained_at_us),
        declared_at=from_us(row.declared_at_us),
    )


def _turn(row: Row[Any]) -> Turn:
    fields = row._mapping
    same = ("id", "loop", "reason", "cause", "pipeline_run_id", "candidate", "champion", "rollout_id", "outcome")
    return Turn(
        **{name: fields[name] for name in same},
        state=TurnState(row.state),
        alerts=tuple(row.alerts),
        verdicts=tuple(row.verdicts),
        change_at=_at(row.change_at_us),
        started_at=from_us(row.started_at_us),
        updated_at=from_us(row.updated_at_us),
        ended_at=_at(row.ended_at_us),
        holdout_from=_at(row.holdout_from_us),
    )


def _turn_values(turn: Turn) -> dict[str, Any]:
    same = ("loop", "reason", "cause", "pipeline_run_id", "candidate", "champion", "rollout_id", "outcome")
    return {
        **{name: getattr(turn, name) for name in same},
        "state": turn.state.value,
        "alerts": list(turn.alerts),
        "verdicts": list(turn.verdicts),
        "change_at_us": _us(turn.change_at),
        "started_at_us": to_us(turn.started_at),
        "updated_at_us": to_us(turn.updated_at),
        "ended_at_us": _us(turn.ended_at),
        "holdout_from_us": _us(turn.holdout_from),
    }


def _us(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def _at(at_us: int | None) -> datetime | None:
    return None if at_us is None else from_us(at_us)
