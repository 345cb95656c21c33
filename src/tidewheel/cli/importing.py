"""`tidewheel import mlflow --from URI`: moving in from another tracker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import console_of, print_grid

if TYPE_CHECKING:
    from tidewheel.migrate import Report


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(imports, name="import")


imports = typer.Typer(help="Move in from another tracker.", no_args_is_help=True)


@imports.callback()
def _group() -> None:
    """Move in from another tracker."""


def _told(report: Report) -> None:
    rows = [
        [name.replace("_", " "), getattr(report.source_counts, name), getattr(report.here_counts, name)]
        for name in report.source_counts.__slots__
    ]
    print_grid(["", "there", "here"], rows)
    console = console_of()
    runs = f"{report.new_runs} new, {report.updated_runs} updated, {report.unchanged_runs} unchanged runs"
    console.print(f"{runs} in {report.seconds:.1f} s from {report.source}", markup=False)
    left = report.not_imported
    console.print(f"Not imported: traces {_count(left.traces)}, prompts {_count(left.prompts)}.", markup=False)
    for problem in report.problems:
        console.print(f"{problem.what}: {problem.why}", markup=False, style="yellow")
    for difference in report.differences:
        words = f"{difference.what}: {difference.source} there, {difference.here} here"
        console.print(words, markup=False, style="red")


def _count(number: int | None) -> str:
    return "unknown" if number is None else str(number)


class _Bar:
    """Draws the progress on stderr, where it is a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        words = TextColumn("{task.description} {task.completed:,.0f} ({task.fields[rate]})")
        console = console_of(stderr=True)
        columns = (SpinnerColumn(), words, BarColumn(), TimeElapsedColumn())
        self.drawn = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task: Any = None
        self._points = 0

    def begin(self, step: str, total: int | None = None) -> None:
        self._points = 0
        self._task = self.drawn.add_task(step, total=total, rate="")

    def advance(self, things: int = 1, *, points: int = 0, files: int = 0, size_bytes: int = 0) -> None:
        self._points += points
        task = self.drawn.tasks[-1]
        elapsed = task.elapsed or 0.0
        rate = f"{(task.completed + things) / elapsed:,.0f}/s" if elapsed > 0.5 else "…"
        if self._points:
            rate += f", {self._points:,} points"
        self.drawn.update(self._task, advance=things, rate=rate)


@command(imports, "mlflow", show=_told, local_only=True, creates=True)
def mlflow(
    opened: Opened,
    source: Annotated[
        str, typer.Option("--from", metavar="URI", help="http://…, an mlruns folder, mlflow.db, or postgresql://…")
    ],
    experiment: Annotated[
        list[str] | None, typer.Option("--experiment", help="Only this one; may be given again.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Put before the names of experiments and models.")] = "",
    since: Annotated[str | None, typer.Option("--since", help="Only runs that began at or after it.")] = None,
    no_artifacts: Annotated[bool, typer.Option("--no-artifacts", help="Leave the files there.")] = False,
    no_models: Annotated[bool, typer.Option("--no-models", help="Leave logged and registered models there.")] = False,
    artifacts: Annotated[
        Path | None, typer.Option("--artifacts", help="Where the artifacts lie now, if they were moved.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Read also what came over before and has not changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
) -> object:
    """Bring experiments, runs, artifacts and models over from MLflow; run again to go on, or for what is new."""
    from tidewheel.base.units import parse_instant
    from tidewheel.migrate import Options, import_mlflow

    options = Options(
        experiments=tuple(experiment or ()),
        prefix=prefix,
        since=parse_instant(since) if since else None,
        artifacts=not no_artifacts,
        models=not no_models,
        artifact_root=artifacts,
        everything=everything,
        dry_run=dry_run,
    )
    bar = _Bar()
    with bar.drawn:
        report = import_mlflow(opened, source, options, bar)  # type: ignore[arg-type]
    if report.differences:
        raise Refused(report, exit_code=1)
    return report
