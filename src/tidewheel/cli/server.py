"""`tidewheel server | controller`: one part of an install alone, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.command import answering
from tidewheel.cli.output import print_ready


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("server")(server)
    app.command("controller")(controller)


_Home = Annotated[
    Path | None, typer.Option("--home", envvar="TIDEWHEEL_HOME", help="Folder of the install. Default: ./.tidewheel")
]
_Json = Annotated[bool, typer.Option("--json", help="Print what it says, and errors, as JSON.")]


def server(
    home: _Home = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to bind; not loopback needs a token.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to bind.")] = None,
    as_json: _Json = False,
) -> None:
    """Start the control plane alone: API, page, metrics."""
    with answering(as_json):
        from tidewheel.server.__main__ import serve

        serve(
            str(home) if home else None,
            host,
            port,
            lambda url, found: print_ready("control plane", found, as_json, url),
        )


def controller(
    project: Annotated[Path | None, typer.Argument(help="A project file; what it declares is made true.")] = None,
    home: _Home = None,
    as_json: _Json = False,
) -> None:
    """Start a controller alone. A second one waits to take over."""
    with answering(as_json):
        import signal

        from tidewheel.app import open_platform
        from tidewheel.base.errors import NotFound
        from tidewheel.controller import Controller

        if project is not None and not project.is_file():
            raise NotFound(f"There is no project file {project}.", fix="`tidewheel init DIR` makes one to begin with.")
        with open_platform(home) as platform:
            if project is not None:
                platform.loop.declare(project.resolve())
            running = Controller(platform)
            signal.signal(signal.SIGTERM, running.stop)
            signal.signal(signal.SIGINT, running.stop)
            print_ready("controller", platform.home, as_json)
            running.run()
