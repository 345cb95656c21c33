"""Datasets grow by commits, which are named, found, compared and never lost."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidewheel.base import ambient
from tidewheel.base.clock import ReplayClock, as_of
from tidewheel.base.errors import InvalidInput, NotFound, TooLarge, Unavailable
from tidewheel.data import Data, dataset
from tidewheel.storage import Metadata
from tidewheel.storage.backends.delta_tables import DeltaTables
from tidewheel.storage.journal import read_entries

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def entries(metadata: Metadata) -> list[tuple[str, str, tuple[str, ...]]]:
    with metadata.read() as connection:
        return [(entry.kind, entry.subject, entry.inputs) for entry in read_entries(connection)]


def test_an_append_is_a_commit_with_a_journal_entry(data: Data, metadata: Metadata) -> None:
    first = data.append("rides", {"zone": ["a", "b"]}, "the first two")
    second = data.append("rides", [{"zone": "c", "fare": 1.5}])
    assert (first.ref, first.rows, first.operation, first.message) == ("rides@0", 2, "append", "the first two")
    assert second.columns == {"zone": "string", "fare": "double"}
    assert second.schema_hash != first.schema_hash
    assert entries(metadata) == [
        ("data.commit.made", "commit:rides@0", ()),
        ("data.commit.made", "commit:rides@1", ("commit:rides@0",)),
    ]


def test_every_commit_stays_readable_by_number(data: Data) -> None:
    data.append("rides", {"n": [1]})
    data.append("rides", {"n": [2]})
    data.overwrite("rides", {"n": [3]})
    assert [data.read(f"rides@{number}")["n"].to_pylist() for number in (0, 1, 2)] == [[1], [1, 2], [3]]
    assert data.read("rides", 1)["n"].to_pylist() == [1, 2]
    assert data.read("rides")["n"].to_pylist() == [3]
    assert [commit.number for commit in data.log("rides")] == [2, 1, 0]


def test_time_travel_goes_by_the_platforms_time(data: Data, clock: ReplayClock) -> None:
    data.append("rides", {"n": [1]})
    clock.advance_to(T0 + timedelta(days=1))
    data.append("rides", {"n": [2]})
    noon = T0 + timedelta(hours=12)
    assert data.read("rides", at=noon)["n"].to_pylist() == [1]
    assert data.read(f"rides@{noon.isoformat()}")["n"].to_pylist() == [1]
    with as_of(noon):
        assert data.resolve("rides").number == 0
        assert data.read("rides")["n"].to_pylist() == [1]
        assert data.read("rides@1")["n"].to_pylist() == [1, 2]
    with pytest.raises(NotFound):
        data.read("rides", at=T0 - timedelta(seconds=1))


def test_a_tag_names_a_commit_and_can_be_moved(data: Data, metadata: Metadata) -> None:
    data.append("rides", {"n": [1]})
    data.append("rides", {"n": [2]})
    data.tag("rides", "golden", "0")
    assert data.read("rides@golden")["n"].to_pylist() == [1]
    data.tag("rides", "golden")
    assert data.resolve("rides", "golden").number == 1
    assert [tag.name for tag in data.tags("rides")] == ["golden"]
    assert entries(metadata)[-1] == ("data.tag.set", "dataset:rides", ("commit:rides@1",))
    for name in ("7", "2026-01-01", "", "a b"):
        with pytest.raises(InvalidInput):
            data.tag("rides", name)


def test_a_ref_that_names_nothing_is_not_found(data: Data) -> None:
    data.append("rides", {"n": [1]})
    for ref in ("9", "platinum"):
        with pytest.raises(NotFound):
            data.read("rides", ref)
    with pytest.raises(NotFound):
        data.read("walks")
    for name, ref in (("rides@", None), ("rides@0", 0)):
        with pytest.raises(InvalidInput):
            data.read(name, ref)
    with pytest.raises(InvalidInput):
        data.append("rides@0", {"n": [1]})


def test_a_difference_tells_counts_and_columns(data: Data) -> None:
    data.append("rides", {"n": [1, 2], "old": ["x", "y"]})
    data.append("rides", {"n": [3], "new": [True]})
    data.overwrite("rides", {"n": [0.5]})
    grown = data.diff("rides", "0", "1")
    assert (grown.rows_before, grown.rows_after, grown.added_columns) == (2, 3, {"new": "bool"})
    replaced = data.diff("rides", "1", "2")
    assert replaced.retyped_columns == {"n": ("int64", "double")}
    assert list(replaced.removed_columns) == ["old", "new"]
    assert replaced.rows_after == 1


def test_the_list_of_datasets_counts_rows(data: Data) -> None:
    data.append("rides", {"n": [1, 2]})
    data.overwrite("rides", {"n": [1]})
    data.append("rides", {"n": [1, 2, 3]})
    data.append("flights", {"n": [1]})
    data.tag("rides", "golden")
    found = {summary.name: summary for summary in data.ls()}
    assert list(found) == ["flights", "rides"]
    assert (found["rides"].rows, found["rides"].commits, found["rides"].tags) == (4, 3, ("golden",))


def test_reads_are_bounded_by_column_and_instant(data: Data) -> None:
    instants = [T0 + timedelta(hours=hour) for hour in range(4)]
    data.append("rides", {"n": [0, 1, 2, 3], "at": instants})
    rows = data.read("rides", columns=["n"], since=("at", instants[1]), until=("at", instants[3]))
    assert rows.to_pylist() == [{"n": 1}, {"n": 2}]


def test_json_rows_become_instants_where_the_name_or_the_dataset_says_so(data: Data) -> None:
    data.append_rows("rides", [{"requested_at": "2026-01-01T06:00:00Z", "zone": "2026-01-01"}])
    data.append_rows("rides", [{"requested_at": "2026-01-01T08:00:00+02:00"}, {"zone": "b"}])
    rows = data.read("rides")
    assert rows["requested_at"].to_pylist() == [T0 + timedelta(hours=6), T0 + timedelta(hours=6), None]
    assert rows["zone"].to_pylist() == ["2026-01-01", None, "b"]
    with pytest.raises(InvalidInput, match="requested_at"):
        data.append_rows("rides", [{"requested_at": "yesterday"}])
    with pytest.raises(TooLarge):
        data.append_rows("rides", [{}] * 10_001)


@pytest.mark.parametrize("rows", [{"n": [2**63]}, {"n": [1, "x"]}, {"n": [1], "m": [1, 2]}, [1, 2], "rows"])
def test_rows_that_are_no_table_are_refused(data: Data, rows: object) -> None:
    with pytest.raises(InvalidInput):
        data.append("rides", rows)  # type: ignore[arg-type]


def test_files_are_imported_and_kept(data: Data, tmp_path: Path, metadata: Metadata) -> None:
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "rides.parquet")
    (tmp_path / "rides.csv").write_text("n\n3\n")
    data.import_file("rides", tmp_path / "rides.parquet")
    made = data.import_file("rides", tmp_path / "rides.csv", "by hand")
    assert data.read("rides")["n"].to_pylist() == [1, 2, 3]
    assert made.source.startswith("blob:")
    assert entries(metadata)[-1][2] == ("commit:rides@0", made.source)
    (tmp_path / "rides.txt").write_text("n")
    (tmp_path / "broken.parquet").write_text("n")
    for name in ("rides.txt", "broken.parquet"):
        with pytest.raises(InvalidInput):
            data.import_file("rides", tmp_path / name)
    with pytest.raises(NotFound):
        data.import_file("rides", tmp_path / "absent.csv")


def test_a_version_without_its_commit_is_written_down_at_the_next_touch(
    data: Data, tables: DeltaTables, metadata: Metadata
) -> None:
    data.append("rides", {"n": [1]})
    for number in range(12):  # as after a crash between the Delta log and the metadata
        facts = {
            "operation": "append",
            "rows": "1",
            "size_bytes": "8",
            "columns": '[["n","int64"]]',
            "message": f"lost {number}",
            "source": "",
        }
        tables.append("rides", pa.table({"n": [number]}), at=T0, metadata=facts)
    assert data.resolve("rides").message == "lost 11"
    assert len(data.log("rides")) == len(entries(metadata)) == 13
    assert data.ls()[0].rows == 13


def test_a_table_that_another_room_wrote_can_be_read_as_a_dataset(data: Data, tables: DeltaTables) -> None:
    tables.append("tidewheel_predictions", pa.table({"id": ["p1"]}), at=T0)
    assert data.resolve("tidewheel_predictions").columns == {"id": "string"}
    assert data.read("tidewheel_predictions").num_rows == 1


def test_processes_append_side_by_side_and_each_commit_is_written_down_once(
    data: Data, tmp_path: Path, metadata: Metadata
) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tidewheel.base.clock import SystemClock\n"
        "from tidewheel.data import Data\n"
        "from tidewheel.storage import Metadata, sqlite_url\n"
        "from tidewheel.storage.backends.delta_tables import DeltaTables\n"
        "from tidewheel.storage.backends.local_blobs import LocalBlobs\n"
        "home = Path(sys.argv[1])\n"
        "clock = SystemClock()\n"
        "tables, blobs = DeltaTables(home / 'tables'), LocalBlobs(home / 'blobs')\n"
        "data = Data(Metadata(sqlite_url(home / 'meta.db'), clock), tables, blobs, clock)\n"
        "for n in range(10): assert data.append('rides', {'n': [n]}, sys.argv[2]).message == sys.argv[2]\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), f"writer {n}"]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert data.read("rides").num_rows == 30
    assert len(data.log("rides")) == len(entries(metadata)) == 30
    assert data.ls()[0].rows == 30


def test_a_handle_finds_the_open_platform(data: Data) -> None:
    rides = dataset("rides")
    rides.append({"n": [1]})
    assert rides.read()["n"].to_pylist() == [1]
    assert rides.commit().ref == "rides@0"
    assert rides.fingerprint == "commit:rides@0"
    rides.overwrite({"n": [2]})
    assert rides.fingerprint == "commit:rides@1"


def test_a_handle_without_a_platform_says_so() -> None:
    with pytest.raises(Unavailable):
        dataset("rides").commit()
    with pytest.raises(Unavailable):
        ambient.current(Data)
    assert dataset("rides").fingerprint == "dataset:rides"
