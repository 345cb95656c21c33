"""Saved views in SQL, and what the pages' tables count: runs of experiments, keys that runs have. For `views.py`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Row, Table, Text, UniqueConstraint, case, delete, func, select

from tidewheel.base.units import from_us, to_us
from tidewheel.storage import Json, schema
from tidewheel.tracking.metric_store import metrics
from tidewheel.tracking.store import params, runs, tags
from tidewheel.tracking.view_records import ExperimentCounts, RunKeys, SavedView

views = Table(
    "tracking_views",
    schema,
    Column("id", Text, primary_key=True),
    Column("experiment_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("order_by", Text, nullable=False),
    Column("columns", Json, nullable=False),
    Column("stage", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at_us", BigInteger, nullable=False),
    UniqueConstraint("experiment_id", "name"),
)


def list_views(connection: Connection, experiment_id: str) -> list[SavedView]:
    """The views of an experiment, by name."""
    query = select(views).where(views.c.experiment_id == experiment_id).order_by(views.c.name)
    return [_view(row) for row in connection.execute(query)]


def find_view(connection: Connection, view_id: str) -> SavedView | None:
    """The view of an id, or None."""
    row = connection.execute(select(views).where(views.c.id == view_id)).first()
    return _view(row) if row else None


def count_views(connection: Connection, experiment_id: str) -> int:
    """How many views an experiment has."""
    query = select(func.count()).select_from(views).where(views.c.experiment_id == experiment_id)
    return connection.execute(query).scalar_one()


def put_view(connection: Connection, view: SavedView) -> None:
    """Write a view down, over the one of the same name."""
    same = (views.c.experiment_id == view.experiment_id) & (views.c.name == view.name)
    connection.execute(delete(views).where(same))
    connection.execute(
        views.insert().values(
            id=view.id,
            experiment_id=view.experiment_id,
            name=view.name,
            filter=view.filter,
            order_by=view.order_by,
            columns=list(view.columns),
            stage=view.stage,
            saved_by=view.saved_by,
            saved_at_us=to_us(view.saved_at),
        )
    )


def drop_view(connection: Connection, view_id: str) -> None:
    """Forget a view."""
    connection.execute(delete(views).where(views.c.id == view_id))


def count_runs(connection: Connection, experiment_id: str | None = None) -> list[ExperimentCounts]:
    """How many runs each experiment, or one, has, and when the newest began."""

    def among(condition: Any) -> Any:
        return func.sum(case((condition, 1), else_=0))

    active = runs.c.lifecycle_stage == "active"
    query = select(
        runs.c.experiment_id,
        among(active).label("active"),
        among(active & (runs.c.status == "RUNNING")).label("running"),
        among(~active).label("deleted"),
        func.max(case((active, runs.c.started_at_us))).label("last_us"),
    ).group_by(runs.c.experiment_id)
    if experiment_id is not None:
        query = query.where(runs.c.experiment_id == experiment_id)
    return [
        ExperimentCounts(
            experiment_id=row.experiment_id,
            active=row.active,
            running=row.running,
            deleted=row.deleted,
            last_run_at=from_us(row.last_us) if row.last_us is not None else None,
        )
        for row in connection.execute(query)
    ]


def read_keys(connection: Connection, experiment_id: str, newest: int) -> RunKeys:
    """The params, metrics and tags that the newest runs of an experiment have."""
    mine = select(runs.c.id).where(runs.c.experiment_id == experiment_id)
    chosen = mine.order_by(runs.c.started_at_us.desc()).limit(newest).subquery()

    def keys(table: Table) -> tuple[str, ...]:
        query = select(table.c.key).join(chosen, chosen.c.id == table.c.run_id).distinct()
        return tuple(sorted(row.key for row in connection.execute(query)))

    return RunKeys(params=keys(params), metrics=keys(metrics), tags=keys(tags))


def _view(row: Row[Any]) -> SavedView:
    return SavedView(
        id=row.id,
        experiment_id=row.experiment_id,
        name=row.name,
        filter=row.filter,
        order_by=row.order_by,
        columns=tuple(row.columns),
        stage=row.stage,
        saved_by=row.saved_by,
        saved_at=from_us(row.saved_at_us),
    )
