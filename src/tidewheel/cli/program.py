"""Puts the program together from the files of this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import typer
from typer.core import TyperGroup
from typer.main import get_command

import tidewheel.cli

_MACHINERY = {"__main__", "command", "output", "program"}


def build() -> TyperGroup:
    """The whole command tree, as a thing that can be called."""
    program = get_command(build_app())
    assert isinstance(program, TyperGroup)
    return program


def build_app() -> typer.Typer:
    """The whole command tree. Each file's `register(app)` adds its commands."""
    app = typer.Typer(
        name="tidewheel",
        help="Keeps machine-learning models right after they ship.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("version")(version)
    for module in iter_modules(tidewheel.cli.__path__):
        if module.name not in _MACHINERY:
            import_module(f"tidewheel.cli.{module.name}").register(app)
    return app


def version() -> None:
    """The version of this Tidewheel."""
    from importlib.metadata import version as version_of

    typer.echo(f"tidewheel {version_of('tidewheel')}")
