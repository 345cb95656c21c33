"""`tidewheel server | controller`: one part of an install alone, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.command import answering


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("server")(server)
    app.command("controller")(controller)


_Home = Annotated[Path | None, typer.Option("--home", envvar="TIDEWHEEL_HOME", help="Folder of the install.")]


def server(
    home: _Home = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; not loopback needs tokens.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind.")] = None,
) -> None:
    """Run the control plane alone: API, page, metrics."""
    with answering():
        from tidewheel.server.__main__ import serve

        serve(str(home) if home else None, host, port)


def controller(
    home: _Home = None,
    project: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A project file to declare.")
    ] = None,
) -> None:
    """Run the controller alone: loops, rollouts, monitors, schedules."""
    with answering():
        import signal

        from tidewheel.app import open_platform
        from tidewheel.controller import Controller

        with open_platform(home) as platform:
            if project:
                platform.loop.declare(project)
            running = Controller(platform)
            signal.signal(signal.SIGTERM, running.stop)
            signal.signal(signal.SIGINT, running.stop)
            running.run()
