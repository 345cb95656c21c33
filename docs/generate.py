"""Writes the reference pages that can be read off the code: settings, events, state machines, doors, commands.

`make docs` runs it; a test fails when a page is not what it would write now.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tidewheel"
PAGES = ROOT / "docs" / "reference"
NOTE = "<!-- written by `make docs`; edit the code, not this page -->\n"


def settings_page() -> str:
    """Every setting, its variable, its default and its effect."""
    from tidewheel.base.settings import SETTINGS

    rows = [
        f"| `{s.name}` | `{s.variable}` | `{s.default!r}` | {s.effect} |"
        for s in sorted(SETTINGS, key=lambda s: s.name)
    ]
    head = "# Settings\n\nA setting is read from the environment when the process starts.\n\n"
    return head + "| setting | variable | default | effect |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"


def events_page() -> str:
    """Every kind of journal entry, by the room that emits it."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for kind in emitted_kinds(ast.parse(path.read_text())):
            kinds[path.relative_to(SOURCE).parts[0]].add(kind)
    head = "# Journal events\n\nEvery change of state appends one of these, in the transaction of the change.\n"
    parts = [
        f"\n## {room}\n\n" + "".join(f"- `{kind}`\n" for kind in sorted(found)) for room, found in sorted(kinds.items())
    ]
    return head + "".join(parts)


def emitted_kinds(tree: ast.AST) -> set[str]:
    """The first arguments of `….emit("room.noun.verbed", …)`; a part that is computed is written as `*`."""
    found = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "emit"
            and node.args
        ):
            kind = _literal(node.args[0])
            if kind and kind.count(".") >= 2:
                found.add(kind)
    return found


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return ""


def states_page() -> str:
    """The state machines of turns and rollouts."""
    from tidewheel.loop.states import TRANSITIONS as TURNS
    from tidewheel.rollout.states import TRANSITIONS as ROLLOUTS

    return (
        "# State machines\n\nThe code runs on these tables; nothing moves that they do not list.\n"
        + _machine("A turn of a loop", TURNS)
        + _machine("A rollout", ROLLOUTS)
    )


def _machine(title: str, table: dict[tuple[StrEnum, StrEnum], StrEnum]) -> str:
    rows = [f"| {start.value} | {happening.value} | {end.value} |\n" for (start, happening), end in table.items()]
    return f"\n## {title}\n\n| from | on | to |\n| --- | --- | --- |\n" + "".join(rows)


def doors_page() -> str:
    """Every verb with an HTTP door."""
    from importlib import import_module

    from tidewheel.base.doors import doors_of
    from tidewheel.client import ROOMS

    parts = ["# HTTP doors\n\nBelow `/api/v1` of the control plane. The OpenAPI document is at `/openapi.json`.\n"]
    for name, place in ROOMS.items():
        module, _, attribute = place.partition(":")
        room, rows = getattr(import_module(module), attribute), []
        for verb, door in doors_of(room):
            told = (getattr(room, verb).__doc__ or "").strip().splitlines()[0]
            rows.append(f"| `{door.method} {door.path}` | {door.role} | {told} |\n")
        if rows:
            parts.append(f"\n## {name}\n\n| door | least role | what it does |\n| --- | --- | --- |\n" + "".join(rows))
    return "".join([*parts, _workers_part()])


def _workers_part() -> str:
    """Every address of an inference worker."""
    from tidewheel.serving.worker.openapi import OPERATIONS

    rows = "".join(f"| `{each.method} {each.path}` | {each.summary} |\n" for each in OPERATIONS)
    head = "\n## Inference workers\n\nOn their own port, with an OpenAPI document of their own at `/openapi.json`.\n\n"
    return head + "| address | what it does |\n| --- | --- |\n" + rows


def commands_page() -> str:
    """The command line, as its own `--help` tells it."""
    from tidewheel.cli.program import build

    parts = [
        "# Commands\n\nEvery command takes `--json`. Exit codes: 0 good, 1 failed, 2 wrong use, 3 a gate said no.\n"
    ]
    _walk(build(), "tidewheel", parts)
    return "".join(parts)


def _walk(command: Any, path: str, parts: list[str]) -> None:
    children: dict[str, Any] = getattr(command, "commands", {})
    if not children or command.invoke_without_command:
        parts.append(_command(command, path))
    for name, child in sorted(children.items()):
        if not child.hidden:
            _walk(child, f"{path} {name}", parts)


def _command(command: Any, path: str) -> str:
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = " ".join([path, *((each.metavar or each.name).upper() for each in arguments)])
    lines = [f"- `{' '.join(each.opts)}` {each.help or ''}".rstrip() + "\n" for each in options if each.name != "help"]
    return f"\n## {words}\n\n{(command.help or '').strip()}\n\n" + "".join(lines)


PAGE_WRITERS = {
    "settings.md": settings_page,
    "events.md": events_page,
    "states.md": states_page,
    "http.md": doors_page,
    "commands.md": commands_page,
}


def main() -> None:
    """Write every page."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, write in PAGE_WRITERS.items():
        (PAGES / name).write_text(NOTE + write())
        print(f"docs/reference/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
