"""Prints results: a table for lists, a card for one thing, JSON for programs. Errors go to stderr.

Rich is imported only when something is printed for people.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidewheel.base.errors import TidewheelError

_CONTROL = re.compile(r"[^\n -~\xa0-\U0010ffff]")


def print_json(result: object) -> None:
    """The result as JSON, indented."""
    import msgspec

    from tidewheel.base.wire import to_json

    sys.stdout.write(msgspec.json.format(to_json(result), indent=2).decode() + "\n")


def print_error(error: TidewheelError, as_json: bool) -> None:
    """What was wrong, where, and how to mend it."""
    if as_json:
        print_json({"error": error.to_dict()})
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    place = f" (at {error.where})" if error.where else ""
    console.print(f"[bold red]{error.code.replace('_', ' ')}[/]: ", end="")
    console.print(f"{error.message}{place}", markup=False)
    if error.fix:
        console.print(f"  {error.fix}", markup=False, style="dim")


def table(*columns: str, empty: str = "Nothing here yet.") -> Callable[[Any], None]:
    """Prints a list of records as a table of these attributes; `a.b` looks inside, `a=b` gives `b` as the title."""

    def show(rows: Sequence[object]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        if not rows:
            Console().print(empty, style="dim")
            return
        printed = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            path, _, title = column.partition("=")
            number = isinstance(_look(rows[0], path), int | float)
            printed.add_column(title or path.replace("_", " "), justify="right" if number else "left", overflow="fold")
        for row in rows:
            printed.add_row(*(_cell(_look(row, column.partition("=")[0])) for column in columns))
        Console().print(printed)

    return show


def card(result: object) -> None:
    """Prints one record as its attributes, one a line."""
    from rich.console import Console
    from rich.table import Table

    if not isinstance(result, Mapping) and not dataclasses.is_dataclass(result):
        Console().print(text(result), markup=False)
        return
    printed = Table.grid(padding=(0, 2))
    printed.add_column(style="dim")
    printed.add_column(overflow="fold")
    for name, value in _items(result):
        if value not in (None, "", (), [], {}):
            printed.add_row(_cell(str(name).replace("_", " ")), _cell(value))
    Console().print(printed)


def line(pattern: str) -> Callable[[Any], None]:
    """Prints one sentence made of a record's attributes: `line("Paused {name}.")`."""

    def show(result: object) -> None:
        from rich.console import Console

        Console().print(pattern.format_map(dict(_items(result))), markup=False, highlight=False)

    return show


def text(value: object) -> str:
    """A value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) > 9999 else str(value)
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(text(inner) for inner in value)
    if dataclasses.is_dataclass(value):
        return ", ".join(f"{name} {text(inner)}" for name, inner in _items(value) if inner not in (None, "", (), {}))
    return str(value)


def _cell(value: object) -> Any:
    """A value as Rich prints it: what data hold is never markup, nor speaks to the terminal."""
    from rich.text import Text

    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text(value)))


def _items(record: object) -> list[tuple[str, Any]]:
    if isinstance(record, Mapping):
        return list(record.items())
    assert dataclasses.is_dataclass(record)
    return [(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)]


def _look(record: object, path: str) -> Any:
    for name in path.split("."):
        record = record.get(name) if isinstance(record, Mapping) else getattr(record, name)
        if record is None:
            return None
    return record
