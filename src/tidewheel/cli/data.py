"""`tidewheel data …`: datasets, their commits and their contracts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.cli.command import Opened, Refused, command
from tidewheel.cli.output import line, table

if TYPE_CHECKING:
    from tidewheel.data import Commit


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(data, name="data")


data = typer.Typer(help="Datasets: versions, contracts, imports.", no_args_is_help=True)


@command(data, "ls", show=table("name", "rows", "commits", "latest.at=newest", "has_contract", empty="No dataset yet."))
def ls(opened: Opened) -> object:
    """Every dataset, as its newest commit says."""
    return opened.data.ls()


@command(data, "log", show=table("number", "at", "operation", "rows", "size_bytes", "message"))
def log(opened: Opened, name: str, limit: int = 100) -> object:
    """The commits of a dataset, newest first."""
    return opened.data.log(name, limit)


@command(data, "show")
def show(
    opened: Opened, name: str, ref: Annotated[str, typer.Argument(help="Number, tag or instant.")] = "latest"
) -> object:
    """One commit of a dataset, with its columns."""
    return opened.data.commit(name, ref)


@command(data, "diff")
def diff(opened: Opened, name: str, before: str, after: str) -> object:
    """What changed between two commits: rows and columns."""
    return opened.data.diff(name, before, after)


@command(data, "tag", show=line("{dataset}@{number} is now tagged {name}."))
def tag(opened: Opened, name: str, tag: str, ref: str | None = None) -> object:
    """Let a tag name a commit (default: the latest)."""
    return opened.data.tag(name, tag, ref)


def _appended(commit: Commit) -> None:
    rows = "1 row" if commit.rows == 1 else f"{commit.rows:,} rows"
    typer.echo(f"{rows} appended to {commit.dataset}, now version {commit.number}.")


@command(data, "import", show=_appended, local_only=True, creates=True)
def import_file(
    opened: Opened, name: str, file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], message: str = ""
) -> object:
    """Append the rows of a Parquet or CSV file."""
    return opened.data.import_file(name, file, message)


@command(data, "contract")
def contract(
    opened: Opened,
    name: str,
    infer: Annotated[bool, typer.Option("--infer", help="Infer one from the newest version and print it.")] = False,
    enforce: Annotated[bool, typer.Option("--enforce", help="With --infer: put it in force.")] = False,
) -> object:
    """What each new version of a dataset must meet."""
    if not infer:
        return opened.data.contract(name)
    inferred = opened.data.infer_contract(name)
    return opened.data.set_contract(name, inferred) if enforce else inferred


@command(data, "validate")
def validate(opened: Opened, name: str, ref: str | None = None) -> object:
    """Hold a version against the contract; exits with 3 if it does not meet it."""
    report = opened.data.validate(name, ref)
    if not report.passed:
        raise Refused(report, exit_code=3)
    return report
