"""Runs a demonstration to its end while its install is looked after and the terminal shows it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from tidewheel.demo.install import Install

_REFRESH_S = 0.4


async def follow(
    task: asyncio.Task[Any], render: Callable[[], RenderableType], install: Install, console: Console, *, quiet: bool
) -> None:
    """Look after the install, and keep the view fresh, until the task is done. Only a terminal sees the view."""
    with contextlib.ExitStack() as stack:
        live = None
        if console.is_terminal and not quiet:
            live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
        while not task.done():
            for sentence in install.look_after():
                console.print(f"[red]{sentence}[/]")
            if live is not None:
                live.update(render(), refresh=True)
            await asyncio.wait([task], timeout=_REFRESH_S)


def as_typed(home: Path) -> str:
    """The home as a person would type it."""
    return str(home.relative_to(Path.cwd())) if home.is_relative_to(Path.cwd()) else str(home)
