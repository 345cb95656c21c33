"""A hot statement: written in SQLAlchemy, compiled once a dialect, and run by the driver itself.

SQLAlchemy takes 60 to 80 us to find a compiled statement again and to wrap its rows, where SQLite answers in 5. Store
files use `Prepared` for the statements that every call of a client runs. Rows come as the driver gives them: a `Json`
column as its text, a flag of SQLite as 0 or 1. Parameters go in as the column's type says. It never ends a
transaction, and its errors are SQLAlchemy's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Connection, Text, TypeDecorator, bindparam, func, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]


class Prepared:
    """One statement; its parameters are `bindparam`s, given by name. An insert names the `columns` that it fills."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def all(self, connection: Connection, **parameters: Any) -> list[Row]:
        """The rows."""
        rows: list[Row] = self._run(connection, parameters).fetchall()
        return rows

    def first(self, connection: Connection, **parameters: Any) -> Row | None:
        """The first row, or None."""
        return next(iter(self.all(connection, **parameters)), None)

    def run(self, connection: Connection, **parameters: Any) -> int:
        """How many rows it changed."""
        return int(self._run(connection, parameters).rowcount)

    def run_many(self, connection: Connection, rows: Iterable[dict[str, Any]]) -> int:
        """Run it once for each of `rows`; how many rows of the table that changed."""
        compiled = self._for(connection.dialect)
        arguments = [compiled.arguments(row) for row in rows]
        if len(arguments) == 1:  # PostgreSQL's driver opens a pipeline for many, which costs more than one
            return int(_drive(connection, "execute", compiled.text, arguments[0]).rowcount)
        return int(_drive(connection, "executemany", compiled.text, arguments).rowcount)

    def _run(self, connection: Connection, parameters: dict[str, Any]) -> Any:
        compiled = self._for(connection.dialect)
        return _drive(connection, "execute", compiled.text, compiled.arguments(parameters))

    def _for(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self._statement, self._columns, dialect)
        return found


class Among(ColumnElement[bool]):
    """`column IN (the texts of a parameter)`, however many they are: one parameter, so one statement."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.texts = bindparam(name, type_=_Texts())


def run_text(connection: Connection, text: str, parameters: Sequence[Any]) -> None:
    """Run a statement in the words and with the placeholders of the driver."""
    _drive(connection, "execute", text, parameters)


def run_text_many(connection: Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    """As `run_text`, once for each of `rows`."""
    _drive(connection, "executemany", text, rows)


class _Texts(TypeDecorator[Any]):
    """Many texts as one parameter: an array, or its JSON where the database has none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


@compiles(Among, "postgresql")
def _any(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    texts = compiler.process(element.texts, **options).removesuffix("::VARCHAR")
    return f"{compiler.process(element.column, **options)} = ANY({texts}::text[])"


@compiles(Among)
def _each(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    listed = select(func.json_each(element.texts).table_valued("value").c.value)
    return compiler.process(element.column.in_(listed), **options)


class _Compiled:
    """The text for one dialect, and how parameters are put into it."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) if columns else None)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._order = tuple(compiled.positiontup or ())
        self._put: dict[str, Callable[[Any], Any]] = {
            name: partial(_put, bind.type, dialect)
            for bind, name in compiled.bind_names.items()
            if isinstance(bind.type, TypeDecorator)
        }

    def arguments(self, given: dict[str, Any]) -> Any:
        """What the driver gets: a tuple or a dict, by its style."""
        if self._fixed or self._put:
            given = {**self._fixed, **given}
        for name, put in self._put.items():
            given[name] = put(given[name])
        return tuple([given[name] for name in self._order]) if self._order else given


def _put(kind: TypeDecorator[Any], dialect: Dialect, value: Any) -> Any:
    return kind.process_bind_param(value, dialect)


def _drive(connection: Connection, verb: str, text: str, parameters: Any) -> Any:
    if not connection.in_transaction():
        connection.begin()
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.cursor()
        getattr(cursor, verb)(text, parameters)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            text, parameters, error, connection.dialect.loaded_dbapi.Error, dialect=connection.dialect
        ) from error
    return cursor
