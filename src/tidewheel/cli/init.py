"""`tidewheel init DIR`: a new project with one working loop."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.command import answering
from tidewheel.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write a new project with one working loop."""
    with answering(as_json):
        from tidewheel.demo.template_files import write_project

        written = write_project(folder)
        if as_json:
            print_json({"files": [str(path) for path in written]})
            return
        for path in written:
            typer.echo(f"wrote {path}")
        steps = [f"cd {folder}", "tidewheel up project.py", "python traffic.py --shift    # in a second terminal"]
        if find_spec("lightgbm") is None:
            steps.insert(0, "pip install 'tidewheel[lightgbm]'    # or in a clone, -e '.[lightgbm]'")
        typer.echo("\n  ".join(["\nNext:", *steps]))
