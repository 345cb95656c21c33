"""`tidewheel doctor`: is this install well? Each check says what it found and what to do. Exits with 1 if one fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from tidewheel.base.errors import TidewheelError
from tidewheel.cli.command import Refused, command
from tidewheel.cli.output import table

if TYPE_CHECKING:
    from tidewheel.app import Platform

_LOW_DISK_BYTES = 2**30


def register(app: typer.Typer) -> None:
    """Add the command."""
    show = table("name=check", "well", "found", "remedy")
    command(app, "doctor", show=show, local_only=True)(doctor)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; an install can do without what is not `needed`."""

    name: str
    well: bool
    found: str
    remedy: str = ""
    needed: bool = True


def doctor(opened: Platform) -> object:
    """Look at the stores, the journal, the loops and the inference workers of an install."""
    checks = [_tried(name, look, opened) for name, look in _LOOKS.items()]
    if not all(check.well or not check.needed for check in checks):
        raise Refused(checks, exit_code=1)
    return checks


def _tried(name: str, look: Callable[[Platform], Check], opened: Platform) -> Check:
    try:
        return look(opened)
    except TidewheelError as error:
        return Check(name, False, error.message, error.fix)


def _metadata(opened: Platform) -> Check:
    began = time.perf_counter()
    with opened.metadata.read() as connection:
        connection.exec_driver_sql("SELECT 1")
    return Check("metadata", True, f"{opened.metadata.engine.dialect.name} answers in {_since_ms(began):.1f} ms")


def _journal(opened: Platform) -> Check:
    from tidewheel.storage.journal import verify_chain

    with opened.metadata.read() as connection:
        count, broken = verify_chain(connection)
    if broken is None:
        return Check("journal", True, f"{count:,} entries, the chain holds")
    return Check("journal", False, f"entry {broken.seq}: {broken.reason}", "Restore the metadata from a backup.")


def _disk(opened: Platform) -> Check:
    free_bytes = shutil.disk_usage(opened.home).free
    well = free_bytes > _LOW_DISK_BYTES
    return Check("disk", well, f"{free_bytes / 2**30:.1f} GiB free at {opened.home}", "" if well else "Make room.")


def _models(opened: Platform) -> Check:
    champions = [
        version
        for model in opened.registry.models()
        for version in opened.registry.versions(model.name)
        if "champion" in version.aliases
    ]
    bad = [version for version in champions if not opened.registry.verify(version.id).whole]
    if bad:
        names = ", ".join(f"{version.model}/{version.number}" for version in bad)
        return Check("champions", False, f"damaged files: {names}", "`tidewheel models verify` names them.")
    return Check("champions", True, f"{len(champions)} champions, their files are whole")


def _workers(opened: Platform) -> Check:
    status = opened.serving.status()
    live = [worker for worker in status.workers if worker.alive]
    if not live:
        return Check("inference", False, "no worker is running", "`tidewheel up` starts them.", needed=False)
    failures = {version: why for worker in live for version, why in worker.failures.items()}
    if failures:
        told = "; ".join(f"{version}: {why}" for version, why in failures.items())
        return Check("inference", False, told, "Roll the endpoint back, or register the version again.")
    told = f"{len(live)} workers live, {status.requests:,.0f} requests answered"
    if status.scaled:
        told += f"; {status.wanted_workers} wanted of at most {status.most_workers}: {status.scaled}"
    return Check("inference", True, told)


def _loops(opened: Platform) -> Check:
    loops = opened.loop.ls()
    paused = [loop.name for loop in loops if loop.state == "paused"]
    remedy = f"`tidewheel loop resume {paused[0]}`" if paused else ""
    return Check("loops", True, ", ".join(f"{loop.name} is {loop.state}" for loop in loops) or "none declared", remedy)


def _since_ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000


_LOOKS: dict[str, Callable[[Platform], Check]] = {
    "metadata": _metadata,
    "journal": _journal,
    "disk": _disk,
    "champions": _models,
    "inference": _workers,
    "loops": _loops,
}
