"""Puts the program together from the files of this folder."""

from __future__ import annotations

import os
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command

import tidewheel.cli
from tidewheel.base.unknown_settings import unknown_variables

_MACHINERY = {"batch_bar", "__main__", "cells", "command", "output", "run_card", "waiting", "program"}


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
    app.callback()(program)
    app.command("version")(version)
    for module in iter_modules(tidewheel.cli.__path__):
        if module.name not in _MACHINERY:
            import_module(f"tidewheel.cli.{module.name}").register(app)
    return app


def _number() -> str:
    from importlib.metadata import version as version_of

    return version_of("tidewheel")


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit()


def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Keeps machine-learning models right after they ship."""
    for variable, nearest in unknown_variables(os.environ):
        meant = f"Is {nearest} meant? " if nearest else ""
        remedy = f"{meant}`docs/reference/settings.md` lists the settings."
        typer.echo(f"warning: {variable} is no setting and changes nothing. {remedy}", err=True)


def version(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The version of this Tidewheel."""
    if as_json:
        from tidewheel.cli.output import print_json

        print_json({"version": _number()})
    else:
        typer.echo(f"tidewheel {_number()}")
