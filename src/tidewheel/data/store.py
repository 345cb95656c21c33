"""All SQL of the data room: commits, tags and contracts.

The Delta log is the truth about commits; these rows follow it, so that lists and lineage need not open a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, Row, Table, Text, delete, func, insert, select

from tidewheel.base.units import from_us, to_us
from tidewheel.data.records import ColumnContract, Commit, Contract, Tag
from tidewheel.storage import Json, schema

commits = Table(
    "data_commits",
    schema,
    Column("dataset", Text, primary_key=True),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("operation", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("total_rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("columns", Json, nullable=False),
    Column("schema_hash", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("source", Text, nullable=False),
)
tags = Table(
    "data_tags",
    schema,
    Column("dataset", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
contracts = Table(
    "data_contracts",
    schema,
    Column("dataset", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("contract", Json, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)


def add_commit(connection: Connection, commit: Commit) -> None:
    """Write a commit down, with the number of rows that the dataset holds from it on."""
    before = 0 if commit.operation == "overwrite" else total_rows(connection, commit.dataset)
    connection.execute(
        insert(commits).values(
            dataset=commit.dataset,
            number=commit.number,
            at_us=to_us(commit.at),
            operation=commit.operation,
            rows=commit.rows,
            total_rows=before + commit.rows,
            size_bytes=commit.size_bytes,
            columns=list(commit.columns.items()),
            schema_hash=commit.schema_hash,
            message=commit.message,
            source=commit.source,
        )
    )


def newest_commit(connection: Connection, dataset: str) -> Commit | None:
    """The last commit written down, or None."""
    found = list_commits(connection, dataset, limit=1)
    return found[0] if found else None


def find_commit(connection: Connection, dataset: str, number: int) -> Commit | None:
    """One commit, or None."""
    row = connection.execute(select(commits).where(commits.c.dataset == dataset, commits.c.number == number)).first()
    return _commit(row) if row else None


def list_commits(connection: Connection, dataset: str, *, limit: int) -> list[Commit]:
    """A dataset's commits, newest first."""
    query = select(commits).where(commits.c.dataset == dataset).order_by(commits.c.number.desc()).limit(limit)
    return [_commit(row) for row in connection.execute(query)]


def count_commits(connection: Connection, dataset: str) -> int:
    """How many commits a dataset has."""
    return int(connection.execute(select(func.count()).where(commits.c.dataset == dataset)).scalar_one())


def total_rows(connection: Connection, dataset: str, number: int | None = None) -> int:
    """The rows that a dataset holds at a commit, or at its newest."""
    query = select(commits.c.total_rows).where(commits.c.dataset == dataset)
    if number is not None:
        query = query.where(commits.c.number == number)
    return int(connection.execute(query.order_by(commits.c.number.desc()).limit(1)).scalar() or 0)


def dataset_names(connection: Connection) -> Sequence[str]:
    """The datasets that have a commit, sorted."""
    return connection.execute(select(commits.c.dataset).distinct().order_by(commits.c.dataset)).scalars().all()


def set_tag(connection: Connection, tag: Tag) -> None:
    """Let a tag name a commit, whatever it named before."""
    connection.execute(delete(tags).where(tags.c.dataset == tag.dataset, tags.c.name == tag.name))
    connection.execute(insert(tags).values(dataset=tag.dataset, name=tag.name, number=tag.number, at_us=to_us(tag.at)))


def list_tags(connection: Connection, dataset: str) -> list[Tag]:
    """A dataset's tags, by name."""
    query = select(tags).where(tags.c.dataset == dataset).order_by(tags.c.name)
    return [Tag(row.dataset, row.name, row.number, from_us(row.at_us)) for row in connection.execute(query)]


def add_contract(connection: Connection, contract: Contract, at_us: int) -> int:
    """Put a contract in force; the ones before stay readable. Returns its number."""
    newest = connection.execute(select(func.max(contracts.c.number)).where(contracts.c.dataset == contract.dataset))
    number = int(newest.scalar() or 0) + 1
    connection.execute(
        insert(contracts).values(dataset=contract.dataset, number=number, contract=asdict(contract), at_us=at_us)
    )
    return number


def newest_contract(connection: Connection, dataset: str) -> Contract | None:
    """The contract in force, or None."""
    query = select(contracts.c.contract).where(contracts.c.dataset == dataset).order_by(contracts.c.number.desc())
    found = connection.execute(query.limit(1)).scalar()
    if found is None:
        return None
    columns = [
        ColumnContract(**{**column, "categories": column["categories"] and tuple(column["categories"])})
        for column in found.pop("columns")
    ]
    return Contract(columns=tuple(columns), **found)


def _commit(row: Row[Any]) -> Commit:
    return Commit(
        dataset=row.dataset,
        number=row.number,
        at=from_us(row.at_us),
        operation=row.operation,
        rows=row.rows,
        size_bytes=row.size_bytes,
        columns=dict(row.columns),
        schema_hash=row.schema_hash,
        message=row.message,
        source=row.source,
    )
