"""What `storage.contracts.KeyValue` promises, for every backend."""

import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.contracts.killed import acknowledged_before_kill

from tidewheel.base.errors import InvalidInput
from tidewheel.storage import open_backend
from tidewheel.storage.contracts import KeyValue

KEYS = st.binary(min_size=1, max_size=4)


def test_a_value_comes_back_and_a_missing_key_is_none(online: KeyValue) -> None:
    online.put_many({b"a": b"1", b"b": b""})
    assert online.get(b"a") == b"1"
    assert online.get_many([b"b", b"absent", b"a", b"a"]) == [b"", None, b"1", b"1"]
    assert online.get_many([]) == []


def test_putting_replaces(online: KeyValue) -> None:
    online.put_many({b"a": b"1"})
    online.put_many({b"a": b"2"})
    assert online.get(b"a") == b"2"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items=st.dictionaries(KEYS, st.binary(max_size=4)), prefix=st.binary(max_size=2))
def test_a_scan_gives_what_begins_with_the_prefix_in_order(
    online: KeyValue, items: dict[bytes, bytes], prefix: bytes
) -> None:
    online.delete_prefix(b"")
    online.put_many(items)
    assert list(online.scan(prefix)) == sorted(item for item in items.items() if item[0].startswith(prefix))
    online.delete_prefix(prefix)
    assert list(online.scan(b"")) == sorted(item for item in items.items() if not item[0].startswith(prefix))


def test_a_long_scan_misses_nothing(online: KeyValue) -> None:
    online.put_many({b"k%06d" % number: b"v" for number in range(5_000)})
    assert [key for key, _ in online.scan(b"k")] == [b"k%06d" % number for number in range(5_000)]


def test_an_update_sees_the_old_value_and_none_deletes(online: KeyValue) -> None:
    online.put_many({b"a": b"1", b"b": b"2"})
    online.update_many([b"a", b"b", b"c"], lambda key, value: None if key == b"b" else (value or b"") + b"!")
    assert online.get_many([b"a", b"b", b"c"]) == [b"1!", None, b"!"]


def test_an_update_that_fails_changes_nothing(online: KeyValue) -> None:
    def change(key: bytes, value: bytes | None) -> bytes:
        if key == b"b":
            raise ZeroDivisionError
        return b"new"

    with pytest.raises(ZeroDivisionError):
        online.update_many([b"a", b"b"], change)
    assert online.get(b"a") is None


def test_a_key_that_is_empty_or_too_long_is_refused(online: KeyValue) -> None:
    for key in (b"", b"k" * 600):
        with pytest.raises(InvalidInput):
            online.put_many({key: b"v"})


def test_threads_do_not_lose_each_others_updates(online: KeyValue) -> None:
    def add() -> None:
        for _ in range(200):
            online.update_many([b"n"], lambda key, value: b"%d" % (int(value or 0) + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert online.get(b"n") == b"800"


def test_processes_do_not_lose_each_others_updates(online: KeyValue, online_url: str) -> None:
    program = (
        "import sys; from tidewheel.storage import open_backend\n"
        "store = open_backend('online', sys.argv[1])\n"
        "for _ in range(300): store.update_many([b'n'], lambda key, value: b'%d' % (int(value or 0) + 1))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, online_url]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert online.get(b"n") == b"900"


WRITE_FOR_EVER = (
    "import sys; from tidewheel.storage import open_backend\n"
    "store = open_backend('online', sys.argv[1])\n"
    "number = 0\n"
    "while True:\n"
    "    store.put_many({b'half%d' % half: b'%d' % number for half in (0, 1)} | {b'at%d' % number: b'x' * 300})\n"
    "    print(number, flush=True)\n"
    "    number += 1\n"
)


@pytest.mark.crash
def test_what_was_acknowledged_survives_a_kill_and_no_half_is_seen(online_url: str) -> None:
    last = acknowledged_before_kill(WRITE_FOR_EVER, online_url, writes=300)
    store = open_backend("online", online_url)
    halves = {store.get(b"half0"), store.get(b"half1")}
    assert len(halves) == 1
    newest = int(halves.pop() or -1)
    assert newest >= last
    assert all(store.get(b"at%d" % number) is not None for number in range(newest + 1))
    store.put_many({b"after": b"1"})  # the killed writer's lock does not stand in the way
