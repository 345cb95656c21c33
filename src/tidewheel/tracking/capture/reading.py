"""Which data a run read: dataset commits and feature sets, told by their rooms through `ambient.tell_read`.

A tag for each, so that the steps of a pipeline, each in a process of its own, add theirs and wipe out no other's:
``tidewheel.data.rides`` = ``4``. Never reads anything itself, and never fails a reader.
"""

from __future__ import annotations

import logging

from tidewheel.base import ambient
from tidewheel.base.errors import TidewheelError

DATA_TAG = "tidewheel.data."
FEATURES_TAG = "tidewheel.features."
_seen: dict[tuple[str, str], list[str]] = {}
_log = logging.getLogger("tidewheel.tracking")


def listen() -> None:
    """Begin to hear of what is read."""
    ambient.on_read(_heard)


def _heard(kind: str, name: str, version: str) -> None:
    from tidewheel.tracking.sdk.calls import active_run

    run_id = ambient.active_run.get()
    if run_id is None:
        return
    key = (DATA_TAG if kind == "data" else FEATURES_TAG) + name
    versions = _seen.setdefault((run_id, key), [])
    if version in versions:
        return
    versions.append(version)
    try:
        run = active_run()
        if run is not None:
            run.set_tags({key: ", ".join(versions)})
    except TidewheelError as error:
        _log.warning("What the run read could not be written down: %s", error)
