"""Delivers spooled records to a tracking room, local or remote, in as few calls as keep their order.

A record is a short list whose first item says what it is; `LETTERS` is the table. Everything delivered may be delivered
again (points are their own key, params are written once, tags and artifacts are written over, beginnings and ends carry
their instants), so a process that dies between delivering and ticking off does no harm. What the room refuses for good
is narrowed down to the single record, told to `refused`, and passed over, so that one bad param holds nothing else up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from tidewheel.base.errors import InvalidInput, NotAllowed, TidewheelError, Unauthenticated, Unavailable
from tidewheel.base.units import from_us
from tidewheel.tracking import limits
from tidewheel.tracking.records import DatasetInput, MetricPoint
from tidewheel.tracking.service import Tracking

Record: TypeAlias = Sequence[Any]
Refused: TypeAlias = Callable[[str, TidewheelError], None]  # run id, why

LETTERS = {
    "s": "start: run_id, experiment, name, tags, inputs, started_at_us",
    "r": "resume: run_id",
    "m": "metric: run_id, key, value, step, at_us",
    "p": "params: run_id, {key: value}",
    "t": "tags: run_id, {key: value}",
    "d": "dataset that was used: run_id, {field: value}",
    "a": "artifact: run_id, path, bytes",
    "f": "artifact of a file: run_id, path, name among the spool's files",
    "e": "end: run_id, status, ended_at_us",
}
_DESCRIBES = frozenset("mpt")
_UNFIT = (TypeError, ValueError, KeyError, OverflowError)  # a record that no version of this code should have written
_LATER = (Unavailable, Unauthenticated, NotAllowed)  # not the record's fault: it waits

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Any]).decode


@dataclass(slots=True)
class _Batch:
    """What one call of `log_batch` will carry."""

    points: list[MetricPoint] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def takes(self, record: Record) -> bool:
        """Add the record, if the batch can still hold it."""
        if record[0] == "m":
            if len(self.points) >= limits.MAX_POINTS:
                return False
            self.points.append(MetricPoint(record[2], record[3], record[4], from_us(record[5])))
            return True
        texts = self.params if record[0] == "p" else self.tags
        changed = record[0] == "p" and any(texts.get(key, value) != value for key, value in record[2].items())
        if changed or len(texts) + len(record[2]) > limits.MAX_TEXTS:
            return False
        texts.update(record[2])
        return True


def deliver(tracking: Tracking, records: Sequence[Record], files: Path | None, refused: Refused) -> None:
    """Deliver records in their order.

    Raises:
        Unavailable, Unauthenticated, NotAllowed: if the room cannot be reached now; all may be delivered again.
    """
    waiting: dict[str, list[Record]] = {}
    for record in records:
        run_id = record[1]
        if record[0] in _DESCRIBES:
            waiting.setdefault(run_id, []).append(record)
            continue
        _describe(tracking, run_id, waiting.pop(run_id, []), refused)
        _try(lambda record=record: _VERBS[record[0]](tracking, record, files), run_id, refused)  # type: ignore[misc]
    for run_id, described in waiting.items():
        _describe(tracking, run_id, described, refused)


def _describe(tracking: Tracking, run_id: str, records: Sequence[Record], refused: Refused) -> None:
    """Metrics, params and tags of one run; halved until what is refused stands alone."""
    begin = 0
    while begin < len(records):
        batch, end = _Batch(), begin
        while end < len(records) and batch.takes(records[end]):
            end += 1
        _send(tracking, run_id, records[begin:end], batch, refused)
        begin = end


def _send(tracking: Tracking, run_id: str, records: Sequence[Record], batch: _Batch, refused: Refused) -> None:
    try:
        tracking.log_batch(run_id, metrics=batch.points, params=batch.params, tags=batch.tags)
    except _LATER:
        raise
    except (TidewheelError, *_UNFIT) as error:
        if len(records) == 1:
            refused(run_id, _told(error))
            return
        middle = len(records) // 2
        _describe(tracking, run_id, records[:middle], refused)
        _describe(tracking, run_id, records[middle:], refused)


def _try(call: Callable[[], object], run_id: str, refused: Refused) -> None:
    try:
        call()
    except _LATER:
        raise
    except (TidewheelError, *_UNFIT) as error:
        refused(run_id, _told(error))


def _told(error: Exception) -> TidewheelError:
    return error if isinstance(error, TidewheelError) else InvalidInput(f"{type(error).__name__}: {error}")


def _start(tracking: Tracking, record: Record, _files: Path | None) -> None:
    _, run_id, experiment, name, tags, inputs, started_at_us = record
    tracking.start_run(
        experiment, name=name, tags=tags, inputs=inputs, run_id=run_id, started_at=from_us(started_at_us)
    )


def _keep_file(tracking: Tracking, record: Record, files: Path | None) -> None:
    _, run_id, path, name = record
    if files is None or not (files / name).exists():
        return  # delivered before, and deleted then
    tracking.log_artifact(run_id, files / name, path)


_VERBS: Mapping[str, Callable[[Tracking, Record, Path | None], object]] = {
    "s": _start,
    "r": lambda tracking, record, _: tracking.resume_run(record[1]),
    "d": lambda tracking, record, _: tracking.log_datasets(record[1], [DatasetInput(**record[2])]),
    "a": lambda tracking, record, _: tracking.log_artifact(record[1], record[3], record[2]),
    "f": _keep_file,
    "e": lambda tracking, record, _: tracking.end_run(record[1], record[2], from_us(record[3])),
}


def spooled_files(records: Sequence[Record]) -> list[str]:
    """The names of the files that these records brought along."""
    return [record[3] for record in records if record[0] == "f"]
