"""Runs a demonstration to its end while its install is looked after and the terminal shows it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from tidewheel.demo.install import Install
from tidewheel.demo.timeline import Timeline

_REFRESH_S = 0.4


async def follow(
    task: asyncio.Task[Any],
    render: Callable[[], RenderableType],
    install: Install,
    timeline: Timeline,
    console: Console,
    *,
    quiet: bool,
) -> None:
    """Look after the install until the task is done. A terminal sees the live view, a pipe a line for each event."""
    with contextlib.ExitStack() as stack:
        live = None
        if console.is_terminal and not quiet:
            live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
        while not task.done():
            for sentence in install.look_after():
                console.print(f"[red]{sentence}[/]")
            if live is not None:
                live.update(render(), refresh=True)
            elif not quiet:
                tell(timeline, console)
            await asyncio.wait([task], timeout=_REFRESH_S)


def tell(timeline: Timeline, console: Console) -> None:
    """Print what has been journaled since the last call, a line each."""
    for line in timeline.catch_up():
        console.print(f"{line.at:%a %d %b %H:%M}  {line.sentence}", highlight=False, soft_wrap=True)
    console.file.flush()


def program() -> str:
    """How this program was called: by its name where the shell finds it, else by its path from here."""
    if shutil.which("tidewheel"):
        return "tidewheel"
    return os.path.relpath(sys.argv[0])


def as_typed(home: Path) -> str:
    """The home as a person would type it."""
    return str(home.relative_to(Path.cwd())) if home.is_relative_to(Path.cwd()) else str(home)
