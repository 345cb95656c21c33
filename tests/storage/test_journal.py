"""The journal: one transaction, one entry, an unbroken chain."""

import json
import threading

import pytest
import sqlalchemy as sa
from blake3 import blake3

from tidewheel.storage import acting
from tidewheel.storage.journal import GENESIS, entries, read_entries, verify_chain


def test_a_change_and_its_entry_commit_together_or_not_at_all(metadata):
    with pytest.raises(ZeroDivisionError), metadata.change() as change:
        change.emit("a.b.made", "b:1")
        _ = 1 / 0
    with metadata.change() as change:
        change.emit("a.b.made", "b:2")
    with metadata.read() as connection:
        assert [entry.subject for entry in read_entries(connection)] == ["b:2"]


def test_a_change_that_says_nothing_is_refused(metadata):
    with pytest.raises(RuntimeError, match="must emit"), metadata.change():
        pass


def test_an_entry_names_its_actor_and_its_cause(metadata):
    with metadata.change(actor="ana") as change:
        first = change.emit("a.b.made", "b:1")
    with acting(actor="loop:x", cause=first), metadata.change() as change:
        change.emit("a.c.made", "c:1", inputs=["b:1"])
    with metadata.read() as connection:
        made = read_entries(connection)
    assert [entry.actor for entry in made] == ["ana", "loop:x"]
    assert made[1].cause == first
    assert made[1].inputs == ("b:1",)


def test_kinds_select_exactly_or_by_room(metadata):
    with metadata.change() as change:
        for kind in ("rollout.decision.made", "rollout.rollout.started", "loop.turn.started"):
            change.emit(kind, "x:1")
    with metadata.read() as connection:
        assert len(read_entries(connection, kinds=["rollout."])) == 2
        assert len(read_entries(connection, kinds=["loop.turn.started"])) == 1
        assert [entry.seq for entry in read_entries(connection, newest_first=True, limit=2)] == [3, 2]


def test_concurrent_changes_make_one_chain_without_gaps(metadata):
    def write(name):
        for number in range(20):
            with metadata.change(actor=name) as change:
                change.emit("a.b.made", f"b:{number}")

    threads = [threading.Thread(target=write, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with metadata.read() as connection:
        assert verify_chain(connection) == (80, None)


@pytest.mark.parametrize(
    ("tamper", "seq", "reason"),
    [
        (sa.update(entries).where(entries.c.seq == 2).values(subject="b:forged"), 2, "content"),
        (sa.delete(entries).where(entries.c.seq == 2), 3, "missing"),
        (sa.update(entries).where(entries.c.seq == 3).values(prev_hash="0" * 64), 3, "continue"),
    ],
)
def test_verification_names_the_first_broken_link(metadata, tamper, seq, reason):
    with metadata.change() as change:
        for number in range(4):
            change.emit("a.b.made", f"b:{number}", {"share": 0.25, "at": "2026-01-01"})
    with metadata.record() as connection:
        connection.execute(tamper)
    with metadata.read() as connection:
        _, found = verify_chain(connection)
    assert found is not None
    assert found.seq == seq
    assert reason in found.reason


def test_numbers_as_keys_do_not_break_the_chain(metadata):
    with metadata.change() as change:
        change.emit("a.b.made", "b:1", {"counts": {2: 1, 10: 2}})
    with metadata.read() as connection:
        assert verify_chain(connection) == (1, None)


def test_a_hash_is_that_of_the_entrys_fields_as_one_list_of_json(metadata):
    with acting(actor="ada"), metadata.change() as change:
        change.emit("a.b.made", "b:1", {"z": [1.5, None], "a": {"ö": True}}, inputs=["c:2", "c:1"])
    with metadata.read() as connection:
        (entry,) = read_entries(connection)
        row = connection.execute(sa.select(entries)).one()
    fields = ("seq", "id", "at_us", "recorded_at_us", "actor", "kind", "subject", "cause", "inputs", "data")
    told = json.dumps(
        [getattr(row, name) for name in fields], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert entry.hash == blake3(f"{GENESIS}{told}".encode()).hexdigest()
