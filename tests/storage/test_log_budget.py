"""The prediction log within its budget: what goes first, what is said of it, what a crash leaves, what labels find."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.base.units import to_us
from tidewheel.storage import Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.journal import read_entries
from tidewheel.storage.predictions import Label, LogBudget, LogSize, Prediction, PredictionLog, PredictionWriter, store
from tidewheel.storage.predictions.segments import Segment, segments

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EVERYTHING = LogBudget(segments_bytes=1)


def prediction(number: int, at: datetime = T0, arm: str = "live") -> Prediction:
    features = np.array([number, 0.5]).tobytes()
    return Prediction(f"p{number}", to_us(at) + number, "surge", "v", arm, "u", 200, 40, {"zone": "z"}, features, b"")


def open_log(home: Path, metadata: Metadata, budget: LogBudget | None = None) -> PredictionLog:
    return PredictionLog(home / "predictions", metadata, open_backend("tables", f"file://{home}/tables"), budget)


def write_segment(log: PredictionLog, numbers: Iterable[int], at: datetime = T0) -> None:
    """One sealed segment of predictions."""
    writer = PredictionWriter(log.folder, "w0", 1 << 20)
    for number in numbers:
        writer.append(prediction(number, at))
    writer.seal()


def hold_back(log: PredictionLog) -> None:
    """A consumer that has read nothing."""
    with log._metadata.record() as connection:
        log.save_cursor(connection, "monitoring", {})


def present(log: PredictionLog) -> list[Segment]:
    return list(segments(log.folder, "predictions"))


def said(log: PredictionLog) -> list[str]:
    with log._metadata.read() as connection:
        return [entry.kind.rpartition(".")[2] for entry in read_entries(connection, kinds=["storage.log."])]


def losses(log: PredictionLog) -> tuple[int, int]:
    """(records lost, records in Delta that not everybody had read), of all that the journal says."""
    with log._metadata.read() as connection:
        facts = [entry.data for entry in read_entries(connection, kinds=["storage.log.expired"])]
    return sum(each["lost"] for each in facts), sum(each["unread"] for each in facts)


def held_log(home: Path, metadata: Metadata, *, compacted: int, fresh: int) -> PredictionLog:
    """Segments of ten predictions that a consumer has still to read: some in Delta, then some that are nowhere else."""
    log = open_log(home, metadata)
    hold_back(log)
    for place in range(compacted):
        write_segment(log, range(place * 10, place * 10 + 10))
    log.compact(T0)
    for place in range(compacted, compacted + fresh):
        write_segment(log, range(place * 10, place * 10 + 10))
    return log


def test_without_a_budget_nothing_goes(tmp_path: Path, metadata: Metadata) -> None:
    log = held_log(tmp_path, metadata, compacted=2, fresh=1)
    assert log.expire() == []
    assert len(present(log)) == 3
    assert said(log) == []


def test_what_is_in_history_goes_before_what_is_nowhere_else_and_the_oldest_first(
    tmp_path: Path, metadata: Metadata
) -> None:
    held = held_log(tmp_path, metadata, compacted=2, fresh=3)
    before = present(held)
    room = sum(each.size_bytes for each in before[3:])
    log = open_log(tmp_path, metadata, LogBudget(segments_bytes=room))
    gone = log.expire()
    assert [each.stem for each in gone] == [each.stem for each in before[:3]]
    assert [each.in_history for each in gone] == [True, True, False]
    assert present(log) == before[3:]
    assert losses(log) == (10, 20)
    assert log.expire() == []
    assert losses(log) == (10, 20)


def test_what_all_have_read_goes_before_what_some_have_not(tmp_path: Path, metadata: Metadata) -> None:
    log = held_log(tmp_path, metadata, compacted=2, fresh=0)
    old, young = present(log)
    with metadata.record() as connection:  # and the table store is away, or compaction would have removed it
        log.save_cursor(connection, "monitoring", {young.stem: young.size_bytes})
    small = open_log(tmp_path, metadata, LogBudget(segments_bytes=old.size_bytes))
    assert [(each.stem, each.records) for each in small.expire()] == [(young.stem, 0)]
    assert losses(log) == (0, 0)


def test_the_journal_says_what_was_lost_and_names_the_segments(tmp_path: Path, metadata: Metadata) -> None:
    held_log(tmp_path, metadata, compacted=0, fresh=2)
    log = open_log(tmp_path, metadata, EVERYTHING)
    stems = [each.stem for each in present(log)]
    log.expire()
    with metadata.read() as connection:
        (entry,) = read_entries(connection, kinds=["storage.log.expired"])
    assert entry.subject == "log:predictions"
    assert entry.data["segments"] == stems
    assert (entry.data["lost"], entry.data["unread"], entry.data["budget_bytes"]) == (20, 0, 1)


def test_only_what_the_last_consumer_had_not_read_counts_as_unread(tmp_path: Path, metadata: Metadata) -> None:
    log = open_log(tmp_path, metadata, EVERYTHING)
    write_segment(log, range(10))
    early = log.read(limit=4).cursor
    with metadata.record() as connection:
        log.save_cursor(connection, "monitoring", early)
        log.save_cursor(connection, "rollout", log.read().cursor)
    log.compact(T0)
    log.expire()
    assert losses(log) == (0, 6)


def test_a_consumer_goes_on_behind_what_had_to_go(tmp_path: Path, metadata: Metadata) -> None:
    log = held_log(tmp_path, metadata, compacted=1, fresh=1)
    cursor = log.read(limit=5).cursor
    open_log(tmp_path, metadata, EVERYTHING).expire()
    write_segment(log, range(50, 53))
    assert [each.id for each in log.read(cursor).predictions] == ["p50", "p51", "p52"]


def test_a_segment_that_is_being_written_stays(tmp_path: Path, metadata: Metadata) -> None:
    log = open_log(tmp_path, metadata, EVERYTHING)
    writer = PredictionWriter(log.folder, "w0", 4096)
    writer.append(prediction(0))
    assert log.expire() == []
    writer.append(prediction(1))
    assert [each.id for each in log.read().predictions] == ["p0", "p1"]
    writer.seal()


def test_labels_still_join_what_went_from_the_log_and_is_in_history(tmp_path: Path, metadata: Metadata) -> None:
    held_log(tmp_path, metadata, compacted=2, fresh=1)
    log = open_log(tmp_path, metadata, EVERYTHING)
    log.expire()
    assert log.find(["p0", "p13", "p25"]) == {"p0": prediction(0), "p13": prediction(13)}


def test_a_batch_on_its_way_to_delta_goes_on_without_what_had_to_go(tmp_path: Path, metadata: Metadata) -> None:
    log = held_log(tmp_path, metadata, compacted=0, fresh=2)
    first, second = present(log)
    with metadata.record() as connection:
        store.plan_batch(connection, "predictions", [first.stem, second.stem])
    small = open_log(tmp_path, metadata, LogBudget(segments_bytes=second.size_bytes))
    small.expire()
    small.compact(T0)
    assert log._tables.read("tidewheel_predictions")["id"].to_pylist() == [f"p{number}" for number in range(10, 20)]
    write_segment(log, range(20, 22))
    small.compact(T0)
    assert log._tables.read("tidewheel_predictions").num_rows == 12


_EXPIRE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, open_backend, sqlite_url
from tidewheel.storage.predictions import LogBudget, PredictionLog
home, deadly = Path(sys.argv[1]), int(sys.argv[2])
metadata = Metadata(sqlite_url(home / "meta.db"), SystemClock())
tables = open_backend("tables", f"file://{home}/tables")
log = PredictionLog(home / "predictions", metadata, tables, LogBudget(segments_bytes=int(sys.argv[3])))
seen = 0
def die(event, arguments):
    global seen
    if event in ("os.remove", "os.rename") and str(arguments[0]).startswith(str(log.folder)):
        seen += 1
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
log.expire()
"""


@pytest.mark.crash
def test_killed_between_any_two_steps_every_record_is_in_the_log_in_history_or_in_the_journal_once(
    tmp_path: Path,
) -> None:
    for deadly in range(1, 20):
        home = tmp_path / str(deadly)
        home.mkdir()
        metadata = Metadata(sqlite_url(home / "meta.db"), SystemClock())
        schema.create_all(metadata.engine)
        log = held_log(home, metadata, compacted=2, fresh=2)
        room = str(present(log)[-1].size_bytes)
        ended = subprocess.run([sys.executable, "-c", _EXPIRE_AND_DIE, str(home), str(deadly), room], check=False)
        log.compact(T0)  # as the next round does, before it looks at the budget again
        open_log(home, metadata, LogBudget(segments_bytes=int(room))).expire()
        history = set(log._tables.read("tidewheel_predictions")["id"].to_pylist())
        assert history == {f"p{number}" for number in [*range(20), *range(30, 40)]}
        assert losses(log) == (10, 20)
        assert set(log.find([f"p{number}" for number in range(40)])) == history
        metadata.close()
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert deadly > 4  # it did die between steps before it got through


def test_a_crowded_log_is_said_once_before_anything_goes_and_taken_back_when_there_is_room(
    tmp_path: Path, metadata: Metadata
) -> None:
    held = held_log(tmp_path, metadata, compacted=2, fresh=0)
    held_bytes = sum(each.size_bytes for each in present(held))
    log = open_log(tmp_path, metadata, LogBudget(segments_bytes=held_bytes * 100 // 85))
    log.expire()
    log.expire()
    assert said(log) == ["crowded"]
    with metadata.record() as connection:
        log.forget_consumer(connection, "monitoring")
    log.compact(T0)
    log.expire()
    log.expire()
    assert said(log) == ["crowded", "eased"]


def test_little_free_disk_is_crowded_too(tmp_path: Path, metadata: Metadata) -> None:
    log = open_log(tmp_path, metadata, LogBudget(free_bytes=1 << 60))
    log.expire()
    assert said(log) == ["crowded"]
    assert log.size().free_bytes > 0


sizes = st.integers(0, 10_000)


@given(held=sizes, free=sizes, budget=st.builds(LogBudget, segments_bytes=sizes, free_bytes=sizes))
def test_what_is_crowded_is_not_eased(held: int, free: int, budget: LogBudget) -> None:
    size = LogSize(segments_bytes=held, index_bytes=0, free_bytes=free, budget_bytes=budget.segments_bytes)
    assert not (budget.crowded(size) and budget.eased(size))


@given(
    lengths=st.lists(st.tuples(st.integers(1, 50), st.booleans(), st.booleans(), st.booleans()), max_size=12),
    room=st.integers(1, 300),
)
def test_no_more_goes_than_must_and_nothing_lost_while_history_could_go(
    lengths: list[tuple[int, bool, bool, bool]], room: int
) -> None:
    here = [
        Segment(f"predictions-w{place % 3}-{place:026d}", Path("x"), sealed, length)
        for place, (length, sealed, _, _) in enumerate(lengths)
    ]
    in_history = {each.stem for each, (_, _, moved, _) in zip(here, lengths, strict=True) if moved}
    passed = {each.stem for each, (_, _, _, read) in zip(here, lengths, strict=True) if read}
    going = LogBudget(segments_bytes=room).excess(here, in_history, passed)
    left = sum(each.size_bytes for each in here) - sum(each.size_bytes for each in going)
    assert all(each.sealed for each in going)
    assert left <= room or all(each in going for each in here if each.sealed)
    assert not going or left + going[-1].size_bytes > room
    if any(each.stem not in in_history for each in going):
        assert all(each in going for each in here if each.sealed and each.stem in in_history)
    unread = [each.stem[-26:] for each in going if each.stem in in_history - passed]
    assert unread == sorted(unread)
    if unread:
        assert all(each in going for each in here if each.sealed and each.stem in in_history & passed)


def test_rows_past_their_days_are_forgotten_with_their_index_and_the_others_found(
    tmp_path: Path, metadata: Metadata
) -> None:
    log = open_log(tmp_path, metadata, LogBudget(days=30))
    for day in range(4):
        write_segment(log, range(day * 10, day * 10 + 10), T0 + day * 20 * DAY)
        writer = PredictionWriter(log.folder, "c1", 1 << 20)
        writer.append(Label(f"p{day * 10}", to_us(T0 + day * 20 * DAY), {"accepted": 1.0}))
        writer.seal()
        log.compact(T0 + day * 20 * DAY)
    now = T0 + 60 * DAY + timedelta(hours=1)
    assert log.forget(now) == 22
    assert log.forget(now) == 0
    assert set(log.find(["p0", "p15", "p25", "p35"])) == {"p25", "p35"}
    assert len(list(log.folder.glob("*.ids"))) == 2
    assert said(log) == ["forgotten"]
    assert log._tables.read("tidewheel_labels")["id"].to_pylist() == ["p20", "p30"]


def test_forgetting_everything_does_not_make_the_next_rows_count_as_written(tmp_path: Path, metadata: Metadata) -> None:
    log = open_log(tmp_path, metadata, LogBudget(days=1))
    write_segment(log, range(10))
    log.compact(T0)
    assert log.forget(T0 + 9 * DAY) == 10
    late = T0 + 9 * DAY
    write_segment(log, range(10, 20), late)
    log.compact(late)
    assert set(log.find(["p0", "p15"])) == {"p15"}
    assert log._tables.read("tidewheel_predictions").num_rows == 10


_FORGET_AND_DIE = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata, open_backend, sqlite_url
from tidewheel.storage.predictions import LogBudget, PredictionLog
home, deadly = Path(sys.argv[1]), float(sys.argv[2])
metadata = Metadata(sqlite_url(home / "meta.db"), SystemClock())
tables = open_backend("tables", f"file://{home}/tables")
log = PredictionLog(home / "predictions", metadata, tables, LogBudget(days=30))
calls = 0
def die(frame, event, argument):
    global calls
    if event in ("call", "return") and "/tidewheel/storage/" in frame.f_code.co_filename:
        calls += 1
        if calls == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(die)
log.forget(datetime.fromisoformat(sys.argv[3]))
sys.setprofile(None)
print(calls)
"""


def forget_until(home: Path, now: datetime, deadly: float) -> subprocess.CompletedProcess[str]:
    """Forget in another process, which is killed as its storage calls or returns for the `deadly`-th time."""
    command = [sys.executable, "-c", _FORGET_AND_DIE, str(home), str(deadly), now.isoformat()]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def aged_log(home: Path) -> tuple[PredictionLog, Metadata]:
    """Four segments in Delta, twenty days apart."""
    home.mkdir()
    metadata = Metadata(sqlite_url(home / "meta.db"), SystemClock())
    schema.create_all(metadata.engine)
    log = open_log(home, metadata, LogBudget(days=30))
    for day in range(4):
        write_segment(log, range(day * 10, day * 10 + 10), T0 + day * 20 * DAY)
        log.compact(T0 + day * 20 * DAY)
    return log, metadata


@pytest.mark.crash
def test_killed_anywhere_while_it_forgets_the_next_round_ends_at_the_same(tmp_path: Path) -> None:
    now = T0 + 60 * DAY + timedelta(hours=1)
    _, metadata = aged_log(tmp_path / "whole")
    metadata.close()
    whole = forget_until(tmp_path / "whole", now, float("inf"))
    steps = int(whole.stdout)
    for part in range(1, 9):
        home = tmp_path / str(part)
        log, metadata = aged_log(home)
        assert forget_until(home, now, steps * part // 9).returncode == -signal.SIGKILL
        log.forget(now)
        assert set(log.find([f"p{number}" for number in range(40)])) == {f"p{number}" for number in range(20, 40)}
        assert log._tables.read("tidewheel_predictions").num_rows == 20
        assert len(list(log.folder.glob("*.ids"))) == 2
        write_segment(log, range(40, 50), now)
        log.compact(now)
        assert len(log.find([f"p{number}" for number in range(20, 50)])) == 30
        metadata.close()


def test_a_label_joins_however_late_though_the_index_is_gone(tmp_path: Path, metadata: Metadata) -> None:
    log = open_log(tmp_path, metadata)
    for day in range(5):
        write_segment(log, range(day * 10, day * 10 + 10), T0 + day * 90 * DAY)
        writer = PredictionWriter(log.folder, "w1", 1 << 20)
        writer.append(prediction(day * 10, T0 + day * 90 * DAY, arm="shadow"))
        writer.seal()
        log.compact(T0 + day * 90 * DAY)
    for path in list(log.folder.glob("*.ids"))[1:]:
        path.unlink()
    ids = [f"p{number}" for number in range(50)]
    again = open_log(tmp_path, metadata)
    found = again.find([*ids, "nobody"])
    assert sorted(found) == sorted(ids)
    assert {each.arm for each in found.values()} == {"live"}
    assert found["p41"] == prediction(41, T0 + 360 * DAY)
    assert set(open_log(tmp_path, metadata).find(ids)) == set(ids)  # the index is there again


def test_the_budget_is_what_the_settings_say() -> None:
    settings = Settings({"storage.log_budget_mb": 3, "storage.log_free_mb": 0, "storage.log_days": 1.5})
    assert LogBudget.of(settings) == LogBudget(segments_bytes=3 << 20, free_bytes=0, days=1.5)
