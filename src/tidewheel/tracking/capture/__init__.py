"""What it takes to run a run again, written down unasked: `reproducibility/environment.json` and a few tags.

    source_code.py   git: commit, branch, remote without credentials, difference to the commit, untracked files
    command.py       command line, entry script or notebook, working folder; variables by an allow-list
    machine.py       Python, packages and their versions, processor, memory, GPUs
    seeds.py         `tw.seed(7)`: sets every generator there is, and says which
    reading.py       datasets' commits and feature sets that were read during the run

Gathered in a thread while training begins; the end of a run waits for it. Nothing here may fail a run: what cannot be
found out is left out. Called by `sdk/calls.py`; switched off by `tracking.capture` or `start_run(capture=False)`.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tidewheel.base.settings import Settings
from tidewheel.tracking.capture import command, machine, seeds
from tidewheel.tracking.capture.seeds import seed
from tidewheel.tracking.capture.source_code import read_source

FOLDER = "reproducibility"
ENVIRONMENT = f"{FOLDER}/environment.json"
SAME_AS_TAG = "tidewheel.reproducibility"  # a child's: the run whose environment is also its own
DIRTY_TAG = "tidewheel.git.dirty"
_log = logging.getLogger("tidewheel.tracking")


class Writes(Protocol):
    """What capturing needs of a run."""

    capturing: threading.Thread | None

    def set_tags(self, tags: dict[str, object]) -> None: ...
    def log_artifact(self, source: bytes, path: str) -> None: ...
    def log_dict(self, value: object, path: str) -> None: ...


def wanted(asked: bool | None) -> bool:
    """Whether to capture: as asked, else as the setting says."""
    return Settings().get("tracking.capture", bool) if asked is None else asked


def source_tags() -> dict[str, str]:
    """MLflow's tags of who ran what, known at once."""
    kind, name = command.entry_point()
    user = {"mlflow.user": command.user()} if command.user() else {}
    return {"mlflow.source.name": name, "mlflow.source.type": "NOTEBOOK" if kind == "notebook" else "LOCAL", **user}


def begin_capture(run: Writes, parent_id: str | None, begun: Mapping[str, Any] | None = None) -> None:
    """Gather in a thread; a run within a run shares what was gathered for that one.

    `begun` says how it was begun, as `command.describe` does, where that is not this process's own command line.
    """
    if parent_id is not None:
        run.set_tags({SAME_AS_TAG: parent_id})
        return
    gather = contextvars.copy_context().run  # who acts here, acts there
    run.capturing = threading.Thread(target=gather, args=(_capture, run, begun), name="tidewheel-capture", daemon=True)
    run.capturing.start()


def _capture(run: Writes, begun: Mapping[str, Any] | None) -> None:
    try:
        told, tags = _gather(run, begun or command.describe())
        run.set_tags(tags)
        run.log_dict(told, ENVIRONMENT)
    except Exception as error:  # training goes on whatever is wrong here
        _log.warning("What it takes to reproduce the run could not all be written down: %s", error)


def _gather(run: Writes, begun: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, object]]:
    tags: dict[str, object] = {}
    told: dict[str, Any] = {"captured_at": datetime.now(UTC).isoformat(), "command": dict(begun)}
    source = read_source(Path(begun["folder"]))
    if source is not None:
        tags["mlflow.source.git.commit"] = source.commit
        if source.branch:
            tags["mlflow.source.git.branch"] = source.branch
        if source.remote:
            tags["mlflow.source.git.repoURL"] = source.remote
        tags[DIRTY_TAG] = str(source.dirty).lower()
        told["git"] = source.describe(f"{FOLDER}/changes.diff" if source.diff else None)
        if source.diff:
            run.log_artifact(source.diff, f"{FOLDER}/changes.diff")
    script = command.script_outside(source, begun)
    if script is not None:
        told["command"]["script_artifact"] = f"{FOLDER}/{script.name}"
        run.log_artifact(script.read_bytes(), f"{FOLDER}/{script.name}")
    told |= machine.describe()
    told["variables"] = command.variables()
    told["seeds"] = seeds.current()
    if seeds.current():
        tags[seeds.SEED_TAG] = seeds.told()
    return told, tags


__all__ = ["ENVIRONMENT", "FOLDER", "SAME_AS_TAG", "begin_capture", "seed", "source_tags", "wanted"]
