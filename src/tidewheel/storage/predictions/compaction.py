"""Moves sealed segments into the Delta tables `tidewheel_predictions` and `tidewheel_labels`, and finds them there.

Each batch of segments is numbered in the metadata first, then written with that number as its idempotency key, then
noted as done: a crash anywhere repeats a step that changes nothing. Called by `PredictionLog`, which the controller
drives.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tidewheel.base.errors import NotFound
from tidewheel.base.units import from_us, to_us
from tidewheel.storage.contracts import Tables
from tidewheel.storage.metadata import Metadata
from tidewheel.storage.predictions import store
from tidewheel.storage.predictions.expiry import finish
from tidewheel.storage.predictions.frames import FIRST_FRAME
from tidewheel.storage.predictions.id_index import IdIndex
from tidewheel.storage.predictions.records import Label, Prediction, decode_label, decode_predictions
from tidewheel.storage.predictions.segments import Kind, Segment, read_segment, seal_abandoned, segments

if TYPE_CHECKING:
    import pyarrow as pa

TABLES: dict[Kind, str] = {"predictions": "tidewheel_predictions", "labels": "tidewheel_labels"}
_BATCH_SEGMENTS = 8
_ALL = 1 << 62
_MARGIN = timedelta(microseconds=1)


def compact(
    folder: Path, metadata: Metadata, tables: Tables, index: IdIndex, index_lock: threading.Lock, at: datetime
) -> int:
    """Do what `PredictionLog.compact` says."""
    finish(folder, metadata, index, index_lock)
    seal_abandoned(folder)
    moved = 0
    for kind in TABLES:
        moved += _write_batches(folder, metadata, tables, kind, at)
        with index_lock:
            _remove_passed(folder, metadata, index, kind)
    return moved


def find_compacted(tables: Tables, stem: str, wanted: Sequence[tuple[str, int]]) -> dict[str, Prediction]:
    """Predictions of one removed segment, as (id, instant), from the Delta table."""
    instants = [at_us for _, at_us in wanted]
    import pyarrow as pa

    since, until = from_us(min(instants)), from_us(max(instants)) + _MARGIN
    try:
        rows = tables.read(TABLES["predictions"], since=("at", since), until=("at", until))
    except NotFound:  # what the index named was lost before anything reached Delta
        return {}
    ids = {each for each, _ in wanted}
    ours = [position for position, each in enumerate(rows["id"].to_pylist()) if each in ids]
    found = [_prediction(row) for row in rows.take(pa.array(ours, pa.int64())).to_pylist()]
    return {prediction.id: prediction for prediction in found if prediction.arm != "shadow"}


def _write_batches(folder: Path, metadata: Metadata, tables: Tables, kind: Kind, at: datetime) -> int:
    sealed = {segment.stem: segment for segment in segments(folder, kind) if segment.sealed}
    with metadata.record() as connection:
        known = store.known_stems(connection, list(sealed))
        fresh = [stem for stem in sealed if stem not in known]
        for start in range(0, len(fresh), _BATCH_SEGMENTS):
            store.plan_batch(connection, kind, fresh[start : start + _BATCH_SEGMENTS])
        batches = store.planned(connection, kind)
        expired = {each.stem for each in store.all_expired(connection)}
    for number, stems in batches.items():
        rows = _to_arrow(kind, [sealed[stem] for stem in stems if stem not in expired])
        tables.append(TABLES[kind], rows, at=at, once=(f"prediction_log.{kind}", number))
        with metadata.record() as connection:
            store.finish_batch(connection, kind, number, to_us(at))
    return sum(map(len, batches.values()))


def _remove_passed(folder: Path, metadata: Metadata, index: IdIndex, kind: Kind) -> None:
    """Remove the segments that are in Delta and that no consumer still has to read."""
    sealed = [segment for segment in segments(folder, kind) if segment.sealed]
    with metadata.read() as connection:
        known = store.known_stems(connection, [segment.stem for segment in sealed])
        cursors = store.all_cursors(connection)
    for segment in sealed:
        passed = all(cursor.get(segment.stem, 0) >= segment.size_bytes for cursor in cursors)
        if known.get(segment.stem) and passed:
            if kind == "predictions":
                index.write(segment)
            segment.path.unlink()


def _to_arrow(kind: Kind, batch: Sequence[Segment]) -> pa.Table:
    payloads = [payload for segment in batch for _, payload in read_segment(segment, FIRST_FRAME, _ALL).found]
    if kind == "labels":
        return _labels_to_arrow([decode_label(payload) for payload in payloads])
    return _predictions_to_arrow([each for payload in payloads for each in decode_predictions(payload)])


def _predictions_to_arrow(predictions: Sequence[Prediction]) -> pa.Table:
    import pyarrow as pa

    text = ("id", "endpoint", "version", "arm", "unit")
    columns = {name: pa.array([getattr(each, name) for each in predictions], pa.string()) for name in text}
    return pa.table(
        {
            **columns,
            "at": pa.array([each.at_us for each in predictions], pa.timestamp("us", "UTC")),
            "status": pa.array([each.status for each in predictions], pa.int32()),
            "latency_us": pa.array([each.latency_us for each in predictions], pa.int64()),
            "entities": pa.array(
                [list(each.entities.items()) for each in predictions], pa.map_(pa.string(), pa.string())
            ),
            "features": _float_lists([each.features for each in predictions]),
            "outputs": _float_lists([each.outputs for each in predictions]),
            "row": pa.array([each.row for each in predictions], pa.int32()),
        }
    )


def _labels_to_arrow(labels: Sequence[Label]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "id": pa.array([each.id for each in labels], pa.string()),
            "at": pa.array([each.at_us for each in labels], pa.timestamp("us", "UTC")),
            "values": pa.array([list(each.values.items()) for each in labels], pa.map_(pa.string(), pa.float64())),
        }
    )


def _float_lists(blocks: Sequence[bytes]) -> pa.Array:
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum([len(block) // 8 for block in blocks])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.frombuffer(b"".join(blocks), dtype="<f8")))


def _prediction(row: dict[str, object]) -> Prediction:
    fields = dict(row)
    fields["at_us"] = to_us(fields.pop("at"))  # type: ignore[arg-type]
    if fields.get("row") is None:  # written before rows were numbered
        fields["row"] = -1
    fields["entities"] = dict(fields["entities"] or ())  # type: ignore[call-overload]
    for name in ("features", "outputs"):
        fields[name] = np.asarray(fields[name], dtype="<f8").tobytes()
    return Prediction(**fields)  # type: ignore[arg-type]
