"""Draws how far a batch job is, on stderr where that is a terminal and `--json` is not asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from click import get_current_context

from tidewheel.cli.output import console_of

if TYPE_CHECKING:
    from tidewheel.serving.batch import BatchProgress


@contextmanager
def batch_bar() -> Iterator[Callable[[BatchProgress], None]]:
    """The bar, as what a job reports to."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    context = get_current_context(silent=True)
    silent = context is not None and bool(context.params.get("as_json"))
    console = console_of(stderr=True)
    pace = TextColumn("{task.fields[rejected]:,} set aside")
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), pace, TimeRemainingColumn())
    with Progress(*columns, console=console, disable=silent or not console.is_terminal) as drawn:
        task = drawn.add_task("rows", total=None, rejected=0)

        def report(progress: BatchProgress) -> None:
            drawn.update(task, completed=progress.rows, total=progress.total, rejected=progress.rejected)

        yield report
