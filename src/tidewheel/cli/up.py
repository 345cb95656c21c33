"""`tidewheel up`, which starts everything, and `tidewheel serve`, which starts inference workers alone."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.base.settings import Settings, home_folder
from tidewheel.cli.command import answering
from tidewheel.cli.output import print_json, print_ready

if TYPE_CHECKING:
    pass

_Home = Annotated[
    Path | None, typer.Option("--home", envvar="TIDEWHEEL_HOME", help="Folder of the install. Default: ./.tidewheel")
]
_Port = Annotated[
    int | None,
    typer.Option("--port", help="Port of the control plane; inference uses the next one, gRPC the one after."),
]
_Workers = Annotated[int | None, typer.Option("--workers", help="Number of inference workers.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("up")(up)
    app.command("serve")(serve)


def up(
    project: Annotated[Path | None, typer.Argument(help="A project file; what it declares is made true.")] = None,
    home: _Home = None,
    port: _Port = None,
    workers: _Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Start everything: control plane, controller and inference workers. ^C drains."""
    with answering(as_json):
        from tidewheel.supervisor import Supervisor

        settings = start_settings(port, workers)
        fixed = any(settings.given(name) for name in ("server.port", "serving.port", "serving.grpc_port"))
        supervisor = Supervisor(home_folder(home), _existing(project), settings, fixed_ports=fixed)
        supervisor.start()
        try:
            supervisor.wait_until_ready()
        except BaseException:
            supervisor.stop()
            raise
        addresses = supervisor.addresses
        if as_json:
            print_json(addresses)
        else:
            for sentence in supervisor.moved_ports:
                typer.echo(sentence)
            typer.echo(f"control plane and page  {addresses.control_plane}")
            typer.echo(f"inference               {addresses.inference}")
            if addresses.grpc:
                typer.echo(f"inference by gRPC       {addresses.grpc}")
            typer.echo(f"home                    {addresses.home}")
            typer.echo("^C drains and stops.")
        sys.stdout.flush()
        supervisor.run()


def serve(
    home: _Home = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port of the inference workers; gRPC uses the next one.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to bind.")] = None,
    workers: _Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what it says, and errors, as JSON.")] = False,
) -> None:
    """Start inference workers alone; they serve what the home's snapshot says, also when nothing else is up."""
    with answering(as_json):
        from tidewheel.serving.supervise import WorkerGroup

        folder = _existing_home(home)
        settings = Settings()
        group = WorkerGroup(
            folder, settings, host=host or "", port=port, grpc_port=_grpc_beside(port, settings), workers=workers or 0
        )
        group.start()
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        group.run(stopping, lambda: print_ready("inference", folder, as_json, group.url, group.grpc_address))


def _grpc_beside(port: int | None, settings: Settings) -> int | None:
    """The port of gRPC that goes with `--port`: the next one; None leaves it to the setting, which somebody made."""
    if not port or settings.given("serving.grpc_port"):
        return None
    return port + 1


def _existing_home(home: Path | None) -> Path:
    """Workers make no install: what they would serve must be put there by a control plane."""
    from tidewheel.base.errors import NotFound

    folder = home_folder(home)
    if not folder.is_dir():
        raise NotFound(
            f"There is no install at {folder}.",
            where="--home",
            fix="Say where it is with --home or TIDEWHEEL_HOME, or begin one: `tidewheel up`.",
        )
    return folder


def start_settings(
    port: int | None, workers: int | None, others: Mapping[str, object] = MappingProxyType({})
) -> Settings:
    """The settings that `--port` and `--workers` mean, over `others`."""
    values = dict(others)
    if port is not None:
        values |= {"server.port": port, "serving.port": port + 1 if port else 0}
        if Settings(values).get("serving.grpc_port", int) >= 0:
            values["serving.grpc_port"] = port + 2 if port else 0
    if workers is not None:
        values["serving.workers"] = workers
    return Settings(values)


def _existing(project: Path | None) -> Path | None:
    from tidewheel.base.errors import NotFound

    if project is not None and not project.is_file():
        raise NotFound(f"There is no project file {project}.", fix="`tidewheel init DIR` makes one to begin with.")
    return project.resolve() if project else None
