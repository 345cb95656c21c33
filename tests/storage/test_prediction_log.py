"""The prediction log as its writers and readers see it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.storage import Metadata, open_backend
from tidewheel.storage.predictions import Label, Prediction, PredictionLog, PredictionWriter, RowsPrediction
from tidewheel.storage.predictions.frames import frame_bytes, walk_frames
from tidewheel.storage.predictions.records import encode_rows
from tidewheel.storage.predictions.segments import OpenSegment

AT = datetime(2026, 1, 1, tzinfo=UTC)


def prediction(number: int, *, arm: str = "live", name: str = "p") -> Prediction:
    features = np.array([number, math.nan, 0.5]).tobytes()
    outputs = np.array([number / 1000]).tobytes()
    return Prediction(
        f"{name}{number}", 1_000 + number, "surge", "ver_1", arm, "rider7", 200, 40, {"zone": "z1"}, features, outputs
    )


@pytest.fixture
def log(tmp_path: Path, metadata: Metadata) -> PredictionLog:
    return PredictionLog(tmp_path / "predictions", metadata, open_backend("tables", f"file://{tmp_path}/tables"))


@pytest.fixture
def writer(log: PredictionLog) -> PredictionWriter:
    return PredictionWriter(log.folder, "w0", 4096)


def drain(log: PredictionLog, cursor: dict[str, int] | None = None, limit: int = 20_000) -> list[list[str]]:
    batches = []
    while True:
        batch = log.read(cursor, limit)
        cursor = batch.cursor
        batches.append([each.id for each in batch.predictions])
        if not batch.more:
            return batches


def test_what_was_appended_is_read_in_order_across_segments(log: PredictionLog, writer: PredictionWriter) -> None:
    written = [prediction(number) for number in range(200)]
    for each in written:
        writer.append(each)
    batch = log.read()
    assert batch.predictions == written
    assert not batch.more
    assert len(list(log.folder.glob("*.sealed"))) > 3
    assert np.isnan(batch.predictions[0].feature_values()[1])


def test_a_cursor_goes_on_where_the_last_batch_ended(log: PredictionLog, writer: PredictionWriter) -> None:
    for number in range(50):
        writer.append(prediction(number))
    first = log.read()
    assert log.read(first.cursor).predictions == []
    writer.append(prediction(50))
    assert [each.id for each in log.read(first.cursor).predictions] == ["p50"]


def test_a_limit_splits_the_log_without_loss_or_repetition(log: PredictionLog, writer: PredictionWriter) -> None:
    other = PredictionWriter(log.folder, "w1", 4096)
    for number in range(150):
        writer.append(prediction(number))
        other.append(prediction(number, name="q"))
    ids = [each for batch in drain(log, limit=40) for each in batch]
    assert sorted(ids) == sorted([f"p{n}" for n in range(150)] + [f"q{n}" for n in range(150)])


def test_a_label_never_comes_before_its_prediction(log: PredictionLog, writer: PredictionWriter) -> None:
    for number in range(100):
        writer.append(prediction(number))
        writer.append(Label(f"p{number}", 5_000, {"accepted": 1.0}))
    seen: set[str] = set()
    labels: list[str] = []
    cursor, more = None, True
    while more:
        batch = log.read(cursor, 30)
        seen |= {each.id for each in batch.predictions}
        labels += [each.id for each in batch.labels]
        assert {each.id for each in batch.labels} <= seen
        cursor, more = batch.cursor, batch.more
    assert labels == [f"p{number}" for number in range(100)]


def test_labels_find_their_answered_prediction(log: PredictionLog, writer: PredictionWriter) -> None:
    for number in range(200):
        writer.append(prediction(number))
        writer.append(prediction(number, arm="shadow"))
    found = log.find(["p3", "p199", "nobody"])
    assert found == {"p3": prediction(3), "p199": prediction(199)}
    writer.append(prediction(200))
    assert set(log.find(["p200", "p0"])) == {"p200", "p0"}


def test_a_record_larger_than_a_segment_gets_one_of_its_own(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append(prediction(0))
    large = msgspec.structs.replace(prediction(1), features=bytes(3 << 20))
    writer.append(large)
    writer.append(prediction(2))
    assert log.read().predictions == [prediction(0), large, prediction(2)]


def test_consumers_keep_their_cursors_in_the_metadata(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append(prediction(0))
    cursor = log.read().cursor
    with log._metadata.record() as connection:
        assert log.load_cursor(connection, "monitor") is None
        log.save_cursor(connection, "monitor", cursor)
        log.save_cursor(connection, "monitor", cursor)
    with log._metadata.read() as connection:
        assert log.load_cursor(connection, "monitor") == cursor


def test_compaction_moves_segments_once_and_labels_still_find_them(
    log: PredictionLog, writer: PredictionWriter
) -> None:
    for number in range(120):
        writer.append(prediction(number))
        writer.append(prediction(number, arm="shadow"))
        writer.append(Label(f"p{number}", 9_000, {"accepted": 0.0}))
    writer.seal()
    assert log.compact(AT) > 2
    assert log.compact(AT) == 0
    assert not list(log.folder.glob("*.sealed"))
    assert log.find(["p0", "p77", "x"]) == {"p0": prediction(0), "p77": prediction(77)}
    rows = log._tables.read("tidewheel_predictions")
    assert rows.num_rows == 240
    assert log._tables.read("tidewheel_labels")["values"].to_pylist()[0] == [("accepted", 0.0)]


def test_compaction_keeps_what_a_consumer_has_still_to_read(log: PredictionLog, writer: PredictionWriter) -> None:
    for number in range(60):
        writer.append(prediction(number))
    early = log.read(limit=10).cursor
    writer.seal()
    with log._metadata.record() as connection:
        log.save_cursor(connection, "monitor", early)
    log.compact(AT)
    ids = [each for batch in drain(log, early) for each in batch]
    assert set(ids) | {f"p{n}" for n in range(60)} == {f"p{n}" for n in range(60)}
    assert len(list(log.folder.glob("*.sealed"))) > 1
    with log._metadata.record() as connection:
        log.forget_consumer(connection, "monitor")
    log.compact(AT)
    assert not list(log.folder.glob("*.sealed"))


def rows_payload(rows: int, features: bytes) -> bytes:
    return encode_rows(RowsPrediction("r", 1, "surge", "v", "live", "u", 200, 40, {}, features * rows, b""), rows)


payload = st.binary(min_size=1, max_size=60).filter(lambda data: data[0] != 0xC1) | st.builds(
    rows_payload, st.integers(2, 5), st.binary(max_size=8)
)


@settings(max_examples=60, deadline=None)
@given(payloads=st.lists(payload, max_size=12), cut=st.integers(0, 400))
def test_a_torn_segment_gives_exactly_the_records_before_the_tear(
    payloads: list[bytes], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    segment = OpenSegment(folder, "predictions", "w", 8192)
    for payload in payloads:
        assert segment.append(payload)
    data = segment.path.read_bytes()[8:]
    segment.seal()
    whole, end, _ = walk_frames(data, 1000)
    assert [payload for _, payload in whole] == payloads
    assert end == sum(frame_bytes(len(payload)) for payload in payloads)
    kept, _, _ = walk_frames(data[:cut] + bytes(max(len(data) - cut, 0)), 1000)
    assert [payload for _, payload in kept] == payloads[: len(kept)]
    ends = np.cumsum([frame_bytes(len(payload)) for payload in payloads])
    assert len(kept) >= int((ends <= cut).sum())
