"""Delivers what dead processes left in a spool: by the next process that opens an outbox there, and by
`tidewheel runs sync`.

A file belongs to a living process as long as that holds its lock, so nothing is delivered by two at once; and all of it
may be delivered twice, so a death in the middle of this costs nothing. A file that is damaged is kept aside, and said.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.tracking.sdk.delivery import decode, deliver, spooled_files
from tidewheel.tracking.sdk.spool_file import SUFFIX, SpoolFile
from tidewheel.tracking.service import Tracking

_AT_ONCE = 10_000
_log = logging.getLogger("tidewheel.tracking")


@dataclass(slots=True)
class Delivered:
    """What was found in a spool: files of dead processes, their records, what was refused, what is damaged."""

    files: int = 0
    records: int = 0
    in_use: int = 0
    refused: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def deliver_left(tracking: Tracking, folder: Path) -> Delivered:
    """Deliver the files of processes that are gone, oldest first.

    Raises:
        Unavailable: if the room is away; what was not delivered stays.
    """
    told = Delivered()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        file = SpoolFile.take_over(path)
        if file is None:
            told.in_use += 1
            continue
        whole = False
        try:
            whole = _deliver_file(tracking, file, folder / "files", told)
        finally:
            file.close(delete=whole)
        told.files += 1
    return told


def _deliver_file(tracking: Tracking, file: SpoolFile, files: Path, told: Delivered) -> bool:
    def refused(run_id: str, error: TidewheelError) -> None:
        told.refused.append(f"{run_id}: {error}")
        _log.error("Refused for run %s of an earlier process: %s", run_id, error)

    at = file.delivered
    try:
        while found := file.read(at, _AT_ONCE):
            records = [decode(data) for data, _ in found]
            deliver(tracking, records, files, refused)
            at = file.delivered = found[-1][1]
            told.records += len(records)
            for name in spooled_files(records):
                (files / name).unlink(missing_ok=True)
    except Corrupt as error:
        return _put_aside(file, error, told)
    return True


def _put_aside(file: SpoolFile, error: Corrupt, told: Delivered) -> bool:
    assert file.path is not None
    kept = file.path.with_suffix(".damaged")
    file.path.rename(kept)
    told.damaged.append(str(kept))
    _log.error("The rest of a spool file cannot be read and is kept as %s: %s", kept, error)
    return False
