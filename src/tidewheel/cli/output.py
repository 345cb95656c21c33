"""Prints results: a table for lists, a card for one thing, JSON for programs. Errors go to stderr.

A line is never broken where another program reads it. In a terminal only prose folds: an id, a kind or an instant stays
in one piece, as wide as it is. Rich is imported only when something is printed for people.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.base.errors import TidewheelError
from tidewheel.cli.cells import block, items, text, vacant

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

_UNBROKEN = 1_000_000  # columns that no line reaches
_GAP = 2  # columns between two cells: one of padding, one that the box draws
_PROSE_MIN, _PROSE_MAX = 12, 40  # columns that prose gets at the least, if a word of it is as long
_CONTROL = re.compile(r"[^\n -~\xa0-\U0010ffff]")


def print_json(result: object) -> None:
    """The result as JSON, indented."""
    import msgspec

    from tidewheel.base.wire import to_json

    sys.stdout.write(msgspec.json.format(to_json(result), indent=2).decode() + "\n")


def print_ready(part: str, home: Path, as_json: bool, url: str = "", grpc: str | None = None) -> None:
    """In one line, which part of which install runs now, and where it answers; `grpc` None if it never speaks that."""
    if as_json:
        also = {} if grpc is None else {"grpc": grpc}
        told = json.dumps({"part": part, "url": url, **also, "home": str(home)})
    else:
        told = "  ".join(filter(None, (part, url, grpc and f"gRPC {grpc}", f"home {home}")))
    sys.stdout.write(told + "\n")
    sys.stdout.flush()


def print_error(error: TidewheelError, as_json: bool) -> None:
    """What was wrong, where, and how to mend it."""
    if as_json:
        print_json({"error": error.to_dict()})
        return
    console = console_of(stderr=True)
    place = f" (at {error.where})" if error.where else ""
    console.print(f"[bold red]{error.code.replace('_', ' ')}[/]: ", end="")
    console.print(f"{error.message}{place}", markup=False)
    if error.fix:
        console.print(f"  {error.fix}", markup=False, style="dim")


def console_of(*, stderr: bool = False) -> Console:
    """Where people read; what is no terminal has lines of any length."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_UNBROKEN)


def table(*columns: str, empty: str = "Nothing here yet.") -> Callable[[Any], None]:
    """Prints a list of records as a table of these attributes; `a.b` looks inside, `a=b` gives `b` as the title."""
    paths = [column.partition("=")[0] for column in columns]
    titles = [column.partition("=")[2] or path.replace("_", " ") for column, path in zip(columns, paths, strict=True)]

    def show(rows: Sequence[object]) -> None:
        if not rows:
            console_of().print(empty, style="dim")
            return
        print_grid(titles, [[_look(row, path) for path in paths] for row in rows])

    return show


def print_grid(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows of values under their titles; no wider than the terminal if folding prose is enough for that."""
    from rich import box
    from rich.table import Table

    console = console_of()
    separator = "\n" if console.is_terminal else ", "
    printed, needed = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)), _GAP
    for index, title in enumerate(titles):
        values = [row[index] for row in rows]
        needed += _add_column(printed, title, values) + _GAP
    for row in rows:
        printed.add_row(*(_cell(text(value).replace("\n", separator)) for value in row))
    console.width = max(console.width, needed)
    _print(console, printed)


def _print(console: Console, printed: Table) -> None:
    """A program gets lines without the blanks that fill a terminal's."""
    if console.is_terminal:
        console.print(printed)
        return
    with console.capture() as captured:
        console.print(printed)
    sys.stdout.write("".join(f"{told.rstrip()}\n" for told in captured.get().strip("\n").splitlines() if told.strip()))


def _add_column(printed: Table, title: str, values: Sequence[object]) -> int:
    """Add a column, and return how narrow it may be: prose as its longest word, anything else as its longest value."""
    prose = any(isinstance(value, Mapping | list | tuple) or " " in _prose(value) for value in values)
    number = bool(values) and isinstance(values[0], int | float) and not isinstance(values[0], bool)
    printed.add_column(title, justify="right" if number else "left", overflow="fold", no_wrap=not prose)
    texts = [title, *(text(value) for value in values)]
    if prose:
        return max(_PROSE_MIN, min(_PROSE_MAX, _longest(word for told in texts for word in told.split())))
    return _longest(texts)


def _prose(value: object) -> str:
    return value if isinstance(value, str) else ""


def _longest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(told) for told in texts), default=0)


def card(result: object) -> None:
    """Prints one record as its attributes, one a line; a record within it as an indented block."""
    from rich.table import Table

    if not isinstance(result, Mapping) and not is_dataclass(result):
        console_of().print(text(result), markup=False)
        return
    printed = Table.grid(padding=(0, 2))
    printed.add_column(style="dim", no_wrap=True)
    printed.add_column(overflow="fold")
    for name, value in items(result):
        if not vacant(value):
            printed.add_row(_cell(name.replace("_", " ")), _cell(block(value)))
    _print(console_of(), printed)


def line(pattern: str) -> Callable[[Any], None]:
    """Prints one sentence made of a record's attributes: `line("Paused {name}.")`."""

    def show(result: object) -> None:
        console_of().print(pattern.format_map(dict(items(result))), markup=False)

    return show


def _cell(told: str) -> Any:
    """A text as Rich prints it: what data hold is never markup, nor speaks to the terminal."""
    from rich.text import Text

    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", told))


def _look(record: object, path: str) -> Any:
    for name in path.split("."):
        record = record.get(name) if isinstance(record, Mapping) else getattr(record, name)
        if record is None:
            return None
    return record
