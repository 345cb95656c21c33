"""What `storage.contracts.Tables` promises, for every backend."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.contracts.killed import acknowledged_before_kill

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.storage import open_backend
from tidewheel.storage.contracts import Tables

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def rides(*numbers: int) -> pa.Table:
    return pa.table(
        {
            "ride": pa.array(numbers, pa.int64()),
            "at": pa.array([T0 + timedelta(minutes=number) for number in numbers], pa.timestamp("us", tz="UTC")),
            "zone": pa.array([f"zone {number % 3}" for number in numbers], pa.string()),
        }
    )


def numbers(rows: pa.Table) -> list[int]:
    return rows["ride"].to_pylist()


def test_appended_rows_are_read_back_as_they_were(tables: Tables) -> None:
    made = tables.append("rides", rides(1, 2), at=T0, metadata={"why": "test"})
    assert (made.number, made.at, made.metadata) == (0, T0, {"why": "test"})
    assert tables.read("rides") == rides(1, 2)
    assert tables.names() == ["rides"]


def test_each_write_is_a_version_that_stays_readable(tables: Tables) -> None:
    first = tables.append("rides", rides(1), at=T0)
    second = tables.append("rides", rides(2), at=T0 + timedelta(hours=1))
    third = tables.overwrite("rides", rides(9), at=T0 + timedelta(hours=2))
    assert [numbers(tables.read("rides", version=made.number)) for made in (first, second, third)] == [[1], [1, 2], [9]]
    assert tables.versions("rides") == [third, second, first]
    assert tables.versions("rides", limit=1) == [third]


def test_a_version_is_found_by_number_by_instant_or_as_the_latest(tables: Tables) -> None:
    made = [tables.append("rides", rides(hour), at=T0 + timedelta(hours=hour)) for hour in range(3)]
    assert tables.version("rides") == made[2]
    assert tables.version("rides", made[1].number) == made[1]
    assert tables.version("rides", at=T0 + timedelta(hours=1, minutes=59)) == made[1]
    assert tables.version("rides", at=T0 + timedelta(hours=1)) == made[1]
    with pytest.raises(NotFound):
        tables.version("rides", at=T0 - timedelta(microseconds=1))
    with pytest.raises(NotFound):
        tables.version("rides", 99)


def test_what_is_not_there_is_not_found(tables: Tables) -> None:
    assert tables.names() == []
    for ask in (tables.read, tables.version, tables.versions):
        with pytest.raises(NotFound):
            ask("rides")
    tables.append("rides", rides(1), at=T0)
    with pytest.raises(NotFound):
        tables.read("rides", version=7)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 101])
def test_a_name_that_is_not_a_name_is_refused(tables: Tables, name: str) -> None:
    with pytest.raises(InvalidInput):
        tables.append(name, rides(1), at=T0)


def test_reads_take_columns_and_bounds(tables: Tables) -> None:
    tables.append("rides", rides(0, 1, 2), at=T0)
    tables.append("rides", rides(3, 4, 5), at=T0)
    since, until = ("at", T0 + timedelta(minutes=2)), ("at", T0 + timedelta(minutes=4))
    assert numbers(tables.read("rides", since=since, until=until)) == [2, 3]
    assert numbers(tables.read("rides", since=since)) == [2, 3, 4, 5]
    bounded = tables.read("rides", columns=["zone", "ride"], until=until)
    assert bounded.column_names == ["zone", "ride"]
    assert numbers(bounded) == [0, 1, 2, 3]
    assert tables.read("rides", columns=["at"]).column_names == ["at"]


def test_bounds_are_exact_to_the_microsecond(tables: Tables) -> None:
    instants = [T0 + timedelta(microseconds=us) for us in (0, 999, 1000, 1001, 1999, 2000)]
    for instant in instants:
        tables.append("moments", pa.table({"at": pa.array([instant], pa.timestamp("us", tz="UTC"))}), at=T0)
    for bound in instants:
        later = tables.read("moments", since=("at", bound))["at"].to_pylist()
        earlier = tables.read("moments", until=("at", bound))["at"].to_pylist()
        assert (earlier, later) == ([i for i in instants if i < bound], [i for i in instants if i >= bound])


def test_a_bound_or_a_column_that_cannot_be_is_refused(tables: Tables) -> None:
    tables.append("rides", rides(1), at=T0)
    with pytest.raises(InvalidInput, match="zone"):
        tables.read("rides", since=("zone", T0))
    with pytest.raises(InvalidInput, match="'speed'"):
        tables.read("rides", columns=["speed"])


def test_instants_are_kept_as_utc_microseconds(tables: Tables) -> None:
    naive = pa.array([datetime(2026, 1, 1, 12)], pa.timestamp("ms"))
    zoned = pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC)], pa.timestamp("ns", tz="America/New_York"))
    tables.append("moments", pa.table({"naive": naive, "zoned": zoned}), at=T0)
    rows = tables.read("moments")
    assert {field.type for field in rows.schema} == {pa.timestamp("us", tz="UTC")}
    assert rows.to_pylist() == [dict.fromkeys(["naive", "zoned"], datetime(2026, 1, 1, 12, tzinfo=UTC))]


def test_types_without_a_counterpart_are_widened_or_refused(tables: Tables) -> None:
    words = pa.array(["a", "b"]).dictionary_encode()
    tables.append("words", pa.table({"word": words, "size": pa.array([1, 2**63 - 1], pa.uint64())}), at=T0)
    assert tables.read("words").schema == pa.schema({"word": pa.string(), "size": pa.int64()})
    for column in (pa.nulls(1), pa.array([1], pa.time64("us")), pa.array([1], pa.duration("s"))):
        with pytest.raises(InvalidInput, match="'odd'"):
            tables.append("odd", pa.table({"odd": column}), at=T0)
    with pytest.raises(InvalidInput, match="'size'"):
        tables.append("words", pa.table({"word": ["c"], "size": ["big"]}), at=T0)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (pa.table({"odd": pa.array([{}, {}])}), "'odd' holds objects without any field"),
        (pa.table({"odd": pa.array([[{"deep": {}}]])}), "'odd' holds objects without any field"),
        (pa.table({"odd": pa.array([[1]], pa.list_(pa.time32("s")))}), "'odd' is time32"),
        (pa.table({"odd": pa.array([1], pa.decimal256(50, 2))}), "'odd' is decimal256"),
        (pa.table({"odd": pa.array([{"a": 1, "A": 2}])}), "of the column 'odd' have the same name: 'a', 'A'"),
        (pa.table({"size": [1], "Size": [2]}), "Two columns have the same name: 'size', 'Size'"),
    ],
)
def test_what_no_table_can_hold_is_refused_by_column_however_deep_and_nothing_is_made(
    tables: Tables, rows: pa.Table, told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        tables.append("rides", rows, at=T0)
    assert tables.names() == []
    tables.append("rides", rides(1), at=T0)
    with pytest.raises(InvalidInput, match=told):
        tables.append("rides", rows, at=T0)
    assert tables.read("rides") == rides(1)


def test_new_columns_are_null_before_and_missing_ones_null_after(tables: Tables) -> None:
    tables.append("rides", pa.table({"ride": [1]}), at=T0)
    tables.append("rides", pa.table({"fare": [2.5], "ride": [2]}), at=T0)
    tables.append("rides", pa.table({"ride": [3]}), at=T0)
    assert tables.read("rides").to_pylist() == [
        {"ride": 1, "fare": None},
        {"ride": 2, "fare": 2.5},
        {"ride": 3, "fare": None},
    ]
    assert tables.read("rides", version=0).column_names == ["ride"]


def test_an_overwrite_may_change_the_columns(tables: Tables) -> None:
    tables.append("rides", rides(1), at=T0)
    tables.overwrite("rides", pa.table({"ride": ["one"]}), at=T0)
    assert tables.read("rides").to_pylist() == [{"ride": "one"}]


def test_an_append_made_once_is_not_made_again(tables: Tables) -> None:
    first = tables.append("rides", rides(1), at=T0, once=("compactor", 5))
    other = tables.append("rides", rides(2), at=T0, once=("other", 1))
    assert tables.append("rides", rides(1), at=T0, once=("compactor", 5)) == first
    assert tables.append("rides", rides(1), at=T0, once=("compactor", 3)) == first
    assert tables.append("rides", rides(2), at=T0, once=("other", 1)) == other
    tables.append("rides", rides(3), at=T0, once=("compactor", 6))
    assert numbers(tables.read("rides")) == [1, 2, 3]


def test_sequence_zero_counts_as_made(tables: Tables) -> None:
    for _ in range(2):
        tables.append("rides", rides(1), at=T0, once=("compactor", 0))
    assert numbers(tables.read("rides")) == [1]


def test_no_rows_may_be_appended(tables: Tables) -> None:
    tables.append("rides", rides(), at=T0)
    assert tables.read("rides") == rides()


def test_hundreds_of_small_appends_stay_whole_and_in_order(tables: Tables) -> None:
    made = [tables.append("rides", rides(number), at=T0, metadata={"n": str(number)}) for number in range(150)]
    assert numbers(tables.read("rides")) == list(range(150))
    assert [version.metadata["n"] for version in tables.versions("rides", 200)] == [str(n) for n in range(149, -1, -1)]
    for number in (0, 15, 16, 60, 149):
        assert numbers(tables.read("rides", version=made[number].number)) == list(range(number + 1))


def test_expired_rows_are_gone_and_those_from_the_instant_on_stay_in_order(tables: Tables) -> None:
    for number in range(0, 40, 2):
        tables.append("rides", rides(number, number + 1), at=T0)
    before = T0 + timedelta(minutes=13, microseconds=1)
    assert tables.expire("rides", ("at", before), at=T0, grace_hours=0) == 14
    assert numbers(tables.read("rides")) == list(range(14, 40))
    assert tables.expire("rides", ("at", before), at=T0, grace_hours=0) == 0
    latest = len(tables.versions("rides", 1000))
    assert tables.expire("rides", ("at", before), at=T0, grace_hours=0) == 0
    assert len(tables.versions("rides", 1000)) == latest
    tables.append("rides", rides(40), at=T0)
    assert numbers(tables.read("rides", since=("at", T0 + timedelta(minutes=39)))) == [39, 40]


def test_expiring_keeps_who_wrote_what_once(tables: Tables) -> None:
    made = tables.append("rides", rides(1), at=T0, once=("log", 1))
    tables.expire("rides", ("at", T0 + timedelta(days=1)), at=T0, grace_hours=0)
    assert numbers(tables.read("rides")) == []
    assert tables.append("rides", rides(1), at=T0, once=("log", 1)) == made
    tables.append("rides", rides(2), at=T0, once=("log", 2))
    assert numbers(tables.read("rides")) == [2]


def test_versions_from_before_an_expiry_are_not_found(tables: Tables) -> None:
    old = tables.append("rides", rides(1, 2), at=T0)
    tables.expire("rides", ("at", T0 + timedelta(minutes=2)), at=T0)
    assert numbers(tables.read("rides")) == [2]
    with pytest.raises(NotFound, match="expired"):
        tables.read("rides", version=old.number)
    assert numbers(tables.read("rides", version=tables.version("rides").number)) == [2]


def test_the_space_of_expired_rows_is_freed_after_the_grace(tables: Tables, tables_url: str) -> None:
    folder = Path(tables_url.removeprefix("file://"))
    tables.append("rides", rides(1), at=T0)
    tables.append("rides", rides(5000), at=T0)
    before = ("at", T0 + timedelta(days=1))
    held = set(folder.rglob("*.parquet"))
    tables.expire("rides", before, at=T0)
    assert held <= set(folder.rglob("*.parquet"))  # a reader may be at it
    assert tables.expire("rides", before, at=T0, grace_hours=0) == 0
    assert len(set(folder.rglob("*.parquet"))) == 1
    assert numbers(tables.read("rides")) == [5000]


def test_rows_without_an_instant_and_tables_that_are_not_there_stay_as_they_are(tables: Tables) -> None:
    undated = rides(1, 2).set_column(1, "at", pa.array([None, T0], pa.timestamp("us", tz="UTC")))
    tables.append("rides", undated, at=T0)
    assert tables.expire("rides", ("at", T0 + timedelta(days=1)), at=T0) == 1
    assert numbers(tables.read("rides")) == [1]
    assert tables.expire("nobody", ("at", T0), at=T0) == 0


def test_appends_during_an_expiry_are_not_lost(tables: Tables, tables_url: str) -> None:
    tables.append("rides", rides(*range(50)), at=T0)
    other: Tables = open_backend("tables", tables_url)

    def append() -> None:
        for number in range(100, 120):
            other.append("rides", rides(number), at=T0)

    writing = threading.Thread(target=append)
    writing.start()
    gone = sum(tables.expire("rides", ("at", T0 + timedelta(minutes=minute)), at=T0) for minute in range(5, 51, 5))
    writing.join()
    assert gone == 50
    assert numbers(tables.read("rides")) == list(range(100, 120))


def test_a_second_opener_sees_what_the_first_wrote(tables: Tables, tables_url: str) -> None:
    other: Tables = open_backend("tables", tables_url)
    for number in range(40):
        (tables if number % 2 else other).append("rides", rides(number), at=T0)
        assert numbers((other if number % 2 else tables).read("rides")) == list(range(number + 1))


def test_threads_and_openers_do_not_lose_each_others_appends(tables: Tables, tables_url: str) -> None:
    made: dict[int, int] = {}

    def write(store: Tables, start: int) -> None:
        for number in range(start, start + 15):
            made[number] = store.append("rides", rides(number), at=T0, metadata={"n": str(number)}).number

    stores: list[Tables] = [tables, tables, open_backend("tables", tables_url)]
    threads = [threading.Thread(target=write, args=(store, start * 100)) for start, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(tables.read("rides"))) == sorted(made)
    assert {int(found.metadata["n"]): found.number for found in tables.versions("rides")} == made


def test_processes_with_one_writer_name_make_each_write_once(tables: Tables, tables_url: str) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; import pyarrow as pa\n"
        "from tidewheel.storage import open_backend\n"
        "store = open_backend('tables', sys.argv[1])\n"
        "for n in range(12):\n"
        "    store.append('rides', pa.table({'ride': [n]}), at=datetime.now(UTC), once=('w', n))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, tables_url]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert numbers(tables.read("rides")) == list(range(12))


WRITE_FOR_EVER = (
    "import sys; from datetime import UTC, datetime; import pyarrow as pa\n"
    "from tidewheel.storage import open_backend\n"
    "store = open_backend('tables', sys.argv[1])\n"
    "number = len(store.versions('rides', 10**6)) if store.names() else 0\n"
    "while True:\n"
    "    store.append('rides', pa.table({'ride': [number] * 50}), at=datetime.now(UTC), once=('w', number))\n"
    "    print(number, flush=True)\n"
    "    number += 1\n"
)


@pytest.mark.crash
def test_what_was_acknowledged_survives_kills_and_no_half_is_seen(tables_url: str) -> None:
    for writes in (14, 40, 60):
        last = acknowledged_before_kill(WRITE_FOR_EVER, tables_url, writes=writes)
        store: Tables = open_backend("tables", tables_url)
        newest = len(store.versions("rides", 10**6)) - 1
        assert newest >= last
        assert numbers(store.read("rides")) == [number for number in range(newest + 1) for _ in range(50)]
