"""Values as people read them: one line where a table has a cell for them, an indented block on a card.

Called by `output.py` and the commands that print a grid of their own. Must never import Rich: it only makes text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_VERDICT = {"gate", "passed", "summary"}
_INDENT = "  "
_ROW_MAX = 60  # characters of a list that stands on one line


def text(value: object) -> str:
    """A value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) > 9999 else str(value)
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(text(inner) for inner in value)
    if dataclasses.is_dataclass(value):
        return ", ".join(f"{name} {text(inner)}" for name, inner in items(value) if not vacant(inner))
    return str(value)


def block(value: object) -> str:
    """A value on a card: a record within it takes a line for each attribute, indented; a verdict takes one line."""
    if _is_verdict(value):
        return _verdict(dict(items(value)))
    if _is_record(value):
        return "\n".join(_under(titled(value, name), inner) for name, inner in items(value) if not vacant(inner))
    if isinstance(value, list | tuple):
        row = ", ".join(text(inner) for inner in value)
        if len(row) <= _ROW_MAX and not any(_is_record(inner) or isinstance(inner, list | tuple) for inner in value):
            return row
        return "\n".join(_listed(inner) for inner in value)
    return text(value)


def items(record: object) -> list[tuple[str, Any]]:
    """The attributes of a record, by their names."""
    if isinstance(record, Mapping):
        return [(str(key), value) for key, value in record.items()]
    assert dataclasses.is_dataclass(record)
    return [(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)]


def titled(record: object, name: str) -> str:
    """An attribute's name in plain words; the key of a mapping is data and stays as it is."""
    return name if isinstance(record, Mapping) else name.replace("_", " ")


def vacant(value: object) -> bool:
    """Whether there is nothing to print."""
    return value in (None, "", (), [], {})


def _is_record(value: object) -> bool:
    return isinstance(value, Mapping) or dataclasses.is_dataclass(value)


def _is_verdict(value: object) -> bool:
    return _is_record(value) and {name for name, _ in items(value)} >= _VERDICT


def _verdict(facts: Mapping[str, Any]) -> str:
    return f"{facts['gate']}: {'passed' if facts['passed'] else 'refused'}. {facts['summary']}"


def _under(name: str, inner: object) -> str:
    """`name: value`, the value below its name if it needs lines of its own."""
    told = block(inner)
    if "\n" not in told and not _is_verdict(inner) and not _holds_verdicts(inner):
        return f"{name}: {told}"
    return f"{name}:\n" + "\n".join(_INDENT + line for line in told.split("\n"))


def _holds_verdicts(value: object) -> bool:
    return isinstance(value, list | tuple) and any(_is_verdict(inner) for inner in value)


def _listed(value: object) -> str:
    """A thing of a list: a record with attributes of several lines is set off by a dash."""
    told = block(value)
    if not _is_record(value) or "\n" not in told:
        return told
    first, *rest = told.split("\n")
    return "\n".join([f"- {first}", *(_INDENT + line for line in rest)])
