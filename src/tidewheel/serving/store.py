"""Serving's tables: endpoints, every route they have had, their present options, and which versions stood behind them.

Routes and options draw their generations from one sequence: a change of either is the next state of everything served,
and no route is invented for what was no change of route. Earlier options are in the journal.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from tidewheel.base.units import from_us, to_us
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.records import Route, RoutingUnit
from tidewheel.storage.conflicts import insert_into
from tidewheel.storage.metadata_schema import Json, schema

endpoints = Table(
    "serving_endpoints",
    schema,
    Column("name", Text, primary_key=True),
    Column("created_at_us", BigInteger, nullable=False),
)
routes = Table(
    "serving_routes",
    schema,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("endpoint", Text, nullable=False),
    Column("weights", Json, nullable=False),
    Column("shadows", Json, nullable=False),
    Column("unit_entity", Text, nullable=False),
    Column("unit_window_s", Float, nullable=False),
    Column("salt", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("entry_id", Text, nullable=False),
    Index("ix_serving_routes_endpoint_generation", "endpoint", "generation"),
)
options_rows = Table(
    "serving_options",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("generation", Integer, nullable=False, unique=True),
    Column("options", Json, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("entry_id", Text, nullable=False),
)
deployments = Table(
    "serving_deployments",
    schema,
    Column("endpoint", Text, primary_key=True),
    Column("version_id", Text, primary_key=True),
    Column("deployed_at_us", BigInteger, primary_key=True),
    Column("retired_at_us", BigInteger),
)


def add_endpoint(connection: Connection, name: str, at_us: int) -> None:
    """Keep a new endpoint."""
    connection.execute(insert(endpoints).values(name=name, created_at_us=at_us))


def endpoint_created_at_us(connection: Connection, name: str) -> int | None:
    """When an endpoint was created, or None if it was not."""
    at_us: int | None = connection.scalar(select(endpoints.c.created_at_us).where(endpoints.c.name == name))
    return at_us


def list_endpoints(connection: Connection) -> list[tuple[str, int]]:
    """All endpoints by name, with their instants of creation."""
    return [(row.name, row.created_at_us) for row in connection.execute(select(endpoints).order_by(endpoints.c.name))]


def remove_endpoint(connection: Connection, name: str) -> None:
    """Forget an endpoint and its options; its routes stay, as history and for their generations."""
    connection.execute(delete(endpoints).where(endpoints.c.name == name))
    connection.execute(delete(options_rows).where(options_rows.c.endpoint == name))


def last_generation(connection: Connection) -> int:
    """The generation of the newest route or options of any endpoint; 0 before the first."""
    newest = (connection.scalar(select(func.max(table.c.generation))) for table in (routes, options_rows))
    return max(generation or 0 for generation in newest)


def set_options(
    connection: Connection, endpoint: str, options: EndpointOptions, generation: int, at_us: int, entry_id: str
) -> None:
    """Keep an endpoint's options in place of those before."""
    values = {"generation": generation, "options": asdict(options), "at_us": at_us, "entry_id": entry_id}
    kept = insert_into(connection, options_rows).values(endpoint=endpoint, **values)
    connection.execute(kept.on_conflict_do_update(index_elements=[options_rows.c.endpoint], set_=values))


def options_of(connection: Connection, endpoint: str) -> tuple[EndpointOptions, int]:
    """An endpoint's options and their generation; the defaults and 0 where none were set."""
    row = connection.execute(select(options_rows).where(options_rows.c.endpoint == endpoint)).first()
    return (msgspec.convert(row.options, EndpointOptions), row.generation) if row else (EndpointOptions(), 0)


def all_options(connection: Connection) -> dict[str, tuple[EndpointOptions, int]]:
    """The options and their generation of the endpoints that have had some set, by name."""
    return {
        row.endpoint: (msgspec.convert(row.options, EndpointOptions), row.generation)
        for row in connection.execute(select(options_rows))
    }


def add_route(connection: Connection, route: Route) -> None:
    """Keep an endpoint's next route, and note which versions have come and gone."""
    at_us = to_us(route.at)
    connection.execute(
        insert(routes).values(
            generation=route.generation,
            endpoint=route.endpoint,
            weights=[[version, share] for version, share in route.weights.items()],
            shadows=list(route.shadows),
            unit_entity=route.unit.entity,
            unit_window_s=route.unit.window_s,
            salt=route.salt,
            at_us=at_us,
            entry_id=route.entry_id,
        )
    )
    here = (deployments.c.endpoint == route.endpoint) & deployments.c.retired_at_us.is_(None)
    standing = set(connection.scalars(select(deployments.c.version_id).where(here)))
    wanted = {*route.weights, *route.shadows}
    gone = here & deployments.c.version_id.in_(standing - wanted)
    connection.execute(update(deployments).where(gone).values(retired_at_us=at_us))
    for version in sorted(wanted - standing):
        _deploy(connection, route.endpoint, version, at_us)


def _deploy(connection: Connection, endpoint: str, version: str, at_us: int) -> None:
    """Note that a version stands; one that left at this very instant (a replayed clock may stand still) never left."""
    same = (deployments.c.endpoint == endpoint) & (deployments.c.version_id == version)
    just_left = same & (deployments.c.deployed_at_us == at_us)
    if connection.execute(update(deployments).where(just_left).values(retired_at_us=None)).rowcount == 0:
        row = {"endpoint": endpoint, "version_id": version, "deployed_at_us": at_us}
        connection.execute(insert(deployments).values(**row))


def current_route(connection: Connection, endpoint: str) -> Route | None:
    """An endpoint's newest route; None where there is no such endpoint."""
    newest = route_history(connection, endpoint, 1)
    return newest[0] if newest else None


def current_routes(connection: Connection) -> list[Route]:
    """The newest route of each endpoint, by name."""
    newest = select(func.max(routes.c.generation)).group_by(routes.c.endpoint)
    query = select(routes).join(endpoints, endpoints.c.name == routes.c.endpoint)
    query = query.where(routes.c.generation.in_(newest)).order_by(routes.c.endpoint)
    return [_route(row) for row in connection.execute(query)]


def route_history(connection: Connection, endpoint: str, limit: int) -> list[Route]:
    """An endpoint's routes, newest first: those since it was made, if one of its name was deleted before.

    Each begins with a route without weights, which no later one is; instants would not tell, as clocks are set back.
    """
    query = select(routes).join(endpoints, endpoints.c.name == routes.c.endpoint).where(routes.c.endpoint == endpoint)
    found: list[Route] = []
    for row in connection.execute(query.order_by(routes.c.generation.desc()).limit(limit)):
        found.append(_route(row))
        if not found[-1].weights:
            break
    return found


def _route(row: Row[Any]) -> Route:
    return Route(
        endpoint=row.endpoint,
        generation=row.generation,
        weights=dict(row.weights),
        shadows=tuple(row.shadows),
        unit=RoutingUnit(row.unit_entity, row.unit_window_s),
        salt=row.salt,
        at=from_us(row.at_us),
        entry_id=row.entry_id,
    )
