"""All SQL of pipelines. Every update names the state it moves from, so a process that was taken for dead cannot
overwrite what its successor wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Index, Integer, Row, Table, Text, select, update

from tidewheel.base.units import from_us, to_us
from tidewheel.pipelines.records import PipelineRun, StepRun
from tidewheel.pipelines.states import RUN_MOVES, STEP_MOVES, RunState, StepState
from tidewheel.storage import Json, schema

runs = Table(
    "pipelines_runs",
    schema,
    Column("id", Text, primary_key=True),
    Column("target", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("key", Text, unique=True),
    Column("cause", Text),
    Column("run_id", Text),
    Column("starts", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("started_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Column("error", Text),
    Column("result", Json),
    Column("result_digest", Text),
    Index("ix_pipelines_runs_state", "state"),
    Index("ix_pipelines_runs_created_at_us", "created_at_us"),
)
step_runs = Table(
    "pipelines_step_runs",
    schema,
    Column("id", Text, primary_key=True),
    Column("pipeline_run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("inputs_hash", Text, nullable=False),
    Column("payload_digest", Text, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
    Column("cached", Boolean, nullable=False),
    Column("cpu_s", Double, nullable=False),
    Column("wall_s", Double, nullable=False),
    Column("result_digest", Text),
    Column("result_hash", Text),
    Column("error", Text),
    Column("trace", Text),
    Index("ix_pipelines_step_runs_pipeline_run_id", "pipeline_run_id", "started_at_us"),
    Index("ix_pipelines_step_runs_code_hash_inputs_hash", "code_hash", "inputs_hash"),
)


def add_run(connection: Connection, run: PipelineRun) -> None:
    """Write a new pipeline run down."""
    connection.execute(runs.insert().values(**_row(run)))


def find_run(connection: Connection, run_id: str) -> PipelineRun | None:
    """The pipeline run of an id, or None."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
    return _run(row) if row else None


def find_key(connection: Connection, key: str) -> PipelineRun | None:
    """The pipeline run that was started under a key, or None."""
    row = connection.execute(select(runs).where(runs.c.key == key)).first()
    return _run(row) if row else None


def list_runs(connection: Connection, *, states: Sequence[RunState] = (), limit: int = 100) -> list[PipelineRun]:
    """The newest pipeline runs, in any of these states or in all."""
    query = select(runs).order_by(runs.c.created_at_us.desc(), runs.c.id.desc()).limit(limit)
    if states:
        query = query.where(runs.c.state.in_([str(state) for state in states]))
    return [_run(row) for row in connection.execute(query)]


def move_run(connection: Connection, id_: str, state: RunState, /, **values: Any) -> bool:
    """Move a run to a state and set columns; False if no move leads there from where it is."""
    sources = [str(source) for source, moves in RUN_MOVES.items() if state in moves]
    change = update(runs).where(runs.c.id == id_, runs.c.state.in_(sources))
    return connection.execute(change.values(state=str(state), **values)).rowcount == 1


def request_cancel(connection: Connection, run_id: str) -> None:
    """Ask the driver of a run to stop."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(cancel_requested=True))


def add_step_run(connection: Connection, step_run: StepRun) -> None:
    """Write a new attempt down."""
    connection.execute(step_runs.insert().values(**_row(step_run)))


def find_step_run(connection: Connection, step_run_id: str) -> StepRun | None:
    """The attempt of an id, or None."""
    row = connection.execute(select(step_runs).where(step_runs.c.id == step_run_id)).first()
    return _step_run(row) if row else None


def list_step_runs(connection: Connection, pipeline_run_id: str) -> list[StepRun]:
    """All attempts of a pipeline run, in the order they began."""
    query = select(step_runs).where(step_runs.c.pipeline_run_id == pipeline_run_id)
    return [_step_run(row) for row in connection.execute(query.order_by(step_runs.c.started_at_us, step_runs.c.id))]


def find_cached(connection: Connection, step: str, code_hash: str, inputs_hash: str) -> StepRun | None:
    """The newest attempt of any run that succeeded with the same code and inputs, or None."""
    same = (step_runs.c.code_hash == code_hash) & (step_runs.c.inputs_hash == inputs_hash) & (step_runs.c.step == step)
    query = select(step_runs).where(same, step_runs.c.state == str(StepState.SUCCEEDED))
    row = connection.execute(query.order_by(step_runs.c.id.desc()).limit(1)).first()
    return _step_run(row) if row else None


def move_step_run(connection: Connection, id_: str, state: StepState, /, **values: Any) -> bool:
    """Move an attempt to a state and set columns; False if it has ended already."""
    sources = [str(source) for source, moves in STEP_MOVES.items() if state in moves]
    change = update(step_runs).where(step_runs.c.id == id_, step_runs.c.state.in_(sources))
    return connection.execute(change.values(state=str(state), **values)).rowcount == 1


_INSTANTS = ("as_of", "created_at", "started_at", "ended_at")


def _row(record: PipelineRun | StepRun) -> dict[str, Any]:
    row: dict[str, Any] = {field.name: getattr(record, field.name) for field in fields(record)}
    row["state"] = str(row["state"])
    for name in _INSTANTS:
        if name in row:
            at = row.pop(name)
            row[f"{name}_us"] = to_us(at) if at is not None else None
    return row


def _values(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    for name in _INSTANTS:
        if f"{name}_us" in values:
            at_us = values.pop(f"{name}_us")
            values[name] = from_us(at_us) if at_us is not None else None
    return values


def _run(row: Row[Any]) -> PipelineRun:
    values = _values(row)
    return PipelineRun(**{**values, "state": RunState(values["state"])})


def _step_run(row: Row[Any]) -> StepRun:
    values = _values(row)
    return StepRun(**{**values, "state": StepState(values["state"]), "inputs": tuple(values["inputs"])})
