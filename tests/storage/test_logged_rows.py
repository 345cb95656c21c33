"""The rows of one request in the prediction log: written as one record, read, found, moved and counted as one a row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace
from tests.storage.killed_writer import last_acknowledged

from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.journal import read_entries
from tidewheel.storage.predictions import Label, LogBudget, Prediction, PredictionLog, PredictionWriter, RowsPrediction
from tidewheel.storage.predictions.records import count_rows, decode_predictions, encode_rows, heads

AT = datetime(2026, 1, 1, tzinfo=UTC)


def request(number: int, rows: int, *, arm: str = "live", outputs: bool = True) -> RowsPrediction:
    values = np.arange(rows * 3, dtype="<f8") + number * 100
    answers = values[: rows * 2].tobytes() if outputs else b""
    zones = {"zone": [f"z{row}" for row in range(rows)]}
    return RowsPrediction(
        f"q{number}", 1_000 + number, "surge", "v", arm, "u", 200, 40, zones, values.tobytes(), answers
    )


def row_of(number: int, row: int, rows: int) -> Prediction:
    values = np.arange(rows * 3, dtype="<f8") + number * 100
    features, answer = values.reshape(rows, 3)[row].tobytes(), values[: rows * 2].reshape(rows, 2)[row].tobytes()
    zone = {"zone": f"z{row}"}
    fixed = (1_000 + number, "surge", "v", "live", "u", 200, 40)
    return Prediction(f"q{number}:{row}", *fixed, zone, features, answer, row)


@pytest.fixture
def log(tmp_path: Path, metadata: Metadata) -> PredictionLog:
    return PredictionLog(tmp_path / "predictions", metadata, open_backend("tables", f"file://{tmp_path}/tables"))


@pytest.fixture
def writer(log: PredictionLog) -> PredictionWriter:
    return PredictionWriter(log.folder, "w0", 4096)


def test_the_rows_of_a_request_are_read_as_a_prediction_each(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append_rows(request(1, 5), 5)
    assert log.read().predictions == [row_of(1, row, 5) for row in range(5)]


@given(rows=st.integers(2, 40), width=st.integers(0, 4), depth=st.integers(0, 3), names=st.lists(st.text(), max_size=2))
@settings(max_examples=60, deadline=None)
def test_what_rows_are_written_as_says_the_same_as_a_record_a_row(
    rows: int, width: int, depth: int, names: list[str]
) -> None:
    random = np.random.default_rng(rows)
    features, outputs = random.normal(size=(rows, width)), random.normal(size=(rows, depth))
    keys = {name: [f"{name}{row}" for row in range(rows)] for name in names}
    fixed = (7, "surge", "v", "shadow", "u", 500, 12)
    payload = encode_rows(RowsPrediction("é:1", *fixed, keys, features.tobytes(), outputs.tobytes()), rows)
    expected = [
        Prediction(
            f"é:1:{row}",
            *fixed,
            {name: each[row] for name, each in keys.items()},
            features[row].tobytes(),
            outputs[row].tobytes(),
            row,
        )
        for row in range(rows)
    ]
    assert decode_predictions(payload) == expected
    assert {each.request_id for each in expected} == {"é:1"}
    assert [(head.id, head.at_us, head.arm) for head in heads(payload)] == [(each.id, 7, "shadow") for each in expected]
    assert count_rows(payload) == rows


def test_rows_of_a_request_that_failed_have_no_outputs(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append_rows(request(1, 3, outputs=False), 3)
    assert [each.outputs for each in log.read().predictions] == [b""] * 3


def test_a_reader_with_a_limit_gets_whole_requests_and_goes_on_behind_them(
    log: PredictionLog, writer: PredictionWriter
) -> None:
    for number in range(20):
        writer.append_rows(request(number, 7), 7)
    writer.seal()
    cursor, sizes, ids = None, [], []
    while True:
        batch = log.read(cursor, limit=10)
        ids += [each.id for each in batch.predictions]
        sizes.append(len(batch.predictions))
        cursor = batch.cursor
        if not batch.more:
            break
    assert sorted(ids) == sorted(f"q{number}:{row}" for number in range(20) for row in range(7))
    assert max(sizes) < 10 + 7 * 4  # a share a segment, and each ends with the request that fills it


def test_each_row_is_found_by_its_id_before_and_after_it_moved_to_delta(
    log: PredictionLog, writer: PredictionWriter
) -> None:
    for number in range(4):
        writer.append_rows(request(number, 6), 6)
    writer.append_rows(request(2, 6, arm="shadow"), 6)
    wanted = {"q2:5": row_of(2, 5, 6), "q3:0": row_of(3, 0, 6)}
    asked = [*wanted, "q2", "q2:6", "q9:0"]
    assert log.find(asked) == wanted
    writer.append_labels([Label("q2:5", 5_000, {"accepted": 1.0}), Label("q3:0", 5_001, {"accepted": 0.0})])
    writer.seal()
    assert log.find(asked) == wanted
    assert [label.id for label in log.read().labels] == ["q2:5", "q3:0"]
    log.compact(AT)
    assert not list(log.folder.glob("predictions-*.sealed"))
    assert log.find(asked) == wanted
    assert log._tables.read("tidewheel_predictions").num_rows == 30


def test_all_rows_of_a_large_request_are_found_together(log: PredictionLog, writer: PredictionWriter) -> None:
    rows = 20_000  # read once for all: for each, it would take hours
    writer.append_rows(request(1, rows), rows)
    writer.append_rows(request(2, 2), 2)
    found = log.find([*(f"q1:{row}" for row in range(rows)), "q2:1", "q2:2"])
    assert len(found) == rows + 1
    assert found["q1:19999"] == row_of(1, 19_999, rows)
    assert found["q2:1"] == row_of(2, 1, 2)


def test_rows_that_moved_to_delta_before_rows_were_numbered_are_found(
    log: PredictionLog, writer: PredictionWriter
) -> None:
    writer.append(row_of(1, 0, 2))
    writer.seal()
    log.compact(AT)
    table = log._tables.read("tidewheel_predictions").drop_columns(["row"])
    log._tables.overwrite("tidewheel_predictions", table, at=AT)
    assert log.find(["q1:0"]) == {"q1:0": replace(row_of(1, 0, 2), row=-1)}
    writer.append_rows(request(2, 2), 2)
    writer.seal()
    log.compact(AT)
    assert log.find(["q1:0", "q2:1"]) == {"q1:0": replace(row_of(1, 0, 2), row=-1), "q2:1": row_of(2, 1, 2)}


def test_what_had_to_go_is_counted_in_rows(log: PredictionLog, writer: PredictionWriter, metadata: Metadata) -> None:
    writer.append_rows(request(1, 9), 9)
    writer.seal()
    log.budget = LogBudget(segments_bytes=1)
    (gone,) = log.expire()
    assert gone.records == 9
    with metadata.read() as connection:
        (entry,) = read_entries(connection, kinds=["storage.log.expired"])
    assert entry.data["lost"] == 9


def test_a_request_larger_than_a_segment_gets_one_that_holds_it(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append_rows(request(1, 2_000), 2_000)
    assert len(log.read().predictions) == 2_000


def test_no_labels_begin_no_segment(log: PredictionLog, writer: PredictionWriter) -> None:
    writer.append_labels([])
    assert not log.folder.exists()


_WRITER = """
import sys
from pathlib import Path
from tidewheel.storage.predictions import PredictionWriter, RowsPrediction
writer = PredictionWriter(Path(sys.argv[1]), "w0", 64 * 1024)
for number in range(10**9):
    fixed = (f"q{number}", number, "surge", "v", "live", "u", 200, 1)
    writer.append_rows(RowsPrediction(*fixed, {}, bytes(64 * 8), bytes(64 * 8)), 64)
    print(number, flush=True)
"""


@pytest.mark.crash
def test_a_killed_writer_leaves_each_acknowledged_request_whole_and_none_in_half(tmp_path: Path) -> None:
    metadata = Metadata(sqlite_url(tmp_path / "meta.db"), SystemClock())
    schema.create_all(metadata.engine)
    log = PredictionLog(tmp_path / "predictions", metadata, open_backend("tables", f"file://{tmp_path}/tables"))
    acknowledged = last_acknowledged(_WRITER, log.folder, 300)
    ids = [each.id for each in log.read(limit=10**9).predictions]
    requests = len(ids) // 64
    assert ids == [f"q{number}:{row}" for number in range(requests) for row in range(64)]
    assert acknowledged + 1 <= requests <= acknowledged + 2
    metadata.close()
