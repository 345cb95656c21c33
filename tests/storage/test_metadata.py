"""Metadata: many writers lose nothing, a killed one leaves nothing half-written."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.storage import Leases, Metadata, schema, sqlite_url
from tidewheel.storage.journal import entries, verify_chain

WRITER = """
import sys
from tidewheel.base.clock import SystemClock
from tidewheel.storage import Metadata
metadata = Metadata(sys.argv[1], SystemClock())
number = 0
while True:
    with metadata.change(actor=sys.argv[2]) as change:
        change.emit("a.pair.made", f"first:{number}")
        change.emit("a.pair.made", f"second:{number}")
    print(number, flush=True)
    number += 1
"""


def test_sixteen_writers_lose_nothing_and_are_never_told_that_the_database_is_locked(metadata):
    failures = []

    def write(index):
        try:
            for number in range(10):
                with metadata.change(actor=f"w{index}") as change:
                    change.emit("a.b.made", f"b:{index}-{number}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(index,)) for index in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with metadata.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(entries)) == 160


def test_a_writer_may_read_besides_however_many_others_wait(metadata):
    failures, connections, steady = [], 0, 0

    def write(index):
        try:
            with metadata.change() as change:
                change.emit("a.b.made", f"b:{index}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(index,)) for index in range(20)]
    with metadata.change() as change:
        for thread in threads:
            thread.start()
        while steady < 50:  # until no more of them come to hold a connection
            before, connections = connections, metadata.engine.pool.checkedout()
            steady = steady + 1 if connections == before else 0
            time.sleep(0.01)
        with metadata.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(entries)) == 0
        change.emit("a.b.made", "b:first")
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.crash
def test_what_a_killed_writer_acknowledged_is_there_and_nothing_is_half_written(tmp_path):
    url = sqlite_url(tmp_path / "metadata.db")
    metadata = Metadata(url, SystemClock())
    schema.create_all(metadata.engine)
    acknowledged = {}
    for name in ("one", "two"):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, url, name], stdout=subprocess.PIPE, text=True)
        last = -1
        while last < 25:
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        acknowledged[name] = max([last, *map(int, rest[: len(rest)])])
        writer.wait()
        writer.stdout.close()
    with metadata.read() as connection:
        for name, last in acknowledged.items():
            mine = entries.c.actor == name
            subjects = set(connection.scalars(sa.select(entries.c.subject).where(mine)))
            assert {f"{half}:{number}" for half in ("first", "second") for number in range(last + 1)} <= subjects
            assert len(subjects) % 2 == 0, "half a change was written"
        assert verify_chain(connection)[1] is None
    metadata.close()


def test_a_lease_has_one_holder_until_it_runs_out(metadata):
    leases = Leases(metadata)
    first = leases.acquire("controller", 60)
    assert first is not None
    assert leases.acquire("controller", 0.2) is None
    assert leases.renew(first, 0.05)
    deadline = time.monotonic() + 30
    second = None
    while second is None and time.monotonic() < deadline:
        second = leases.acquire("controller", 10)
    assert second is not None
    assert not leases.renew(first, 10), "the first holder must learn that it lost the lease"
    leases.release(second)
    assert leases.acquire("controller", 1) is not None


def test_of_many_who_find_no_lease_one_gets_it(metadata):
    leases, start, got = Leases(metadata), threading.Barrier(8), []

    def take():
        start.wait()
        got.append(leases.acquire("new", 10))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert sum(lease is not None for lease in got) == 1


def test_a_reader_sees_one_snapshot_however_often_it_looks(metadata):
    many = sa.select(sa.func.count()).select_from(entries)
    with metadata.read() as connection:
        before = connection.scalar(many)
        with metadata.change() as change:
            change.emit("a.b.made", "b:1")
        assert connection.scalar(many) == before
    with metadata.read() as connection:
        assert connection.scalar(many) == before + 1


@pytest.mark.parametrize("value", [10**30, "\ud800"])
def test_a_value_that_no_column_holds_is_the_callers_to_mend(metadata, value):
    column = entries.c.seq if isinstance(value, int) else entries.c.id
    with pytest.raises(InvalidInput), metadata.read() as connection:
        connection.execute(sa.select(entries).where(column == value))


def test_a_file_that_is_no_database_is_called_damaged(tmp_path):
    (tmp_path / "metadata.db").write_bytes(b"garbage" * 1000)
    metadata = Metadata(sqlite_url(tmp_path / "metadata.db"), SystemClock())
    with pytest.raises(Corrupt, match="backup"), metadata.read():
        pass
    metadata.close()
