"""Prepared statements say what SQLAlchemy would have said, on each database."""

import pytest
import sqlalchemy as sa

from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.storage import journal
from tidewheel.storage.prepared import Among, Prepared, run_text

entries = journal.entries
KINDS = sa.select(entries.c.id, entries.c.kind).order_by(entries.c.seq)
AMONG = Prepared(KINDS.where(Among(entries.c.kind, "kinds"), entries.c.seq > sa.bindparam("after")))
ADD = Prepared(entries.insert(), entries.c.keys())


def _entry(seq, kind, data=None):
    texts = dict.fromkeys(("actor", "subject", "prev_hash", "hash"), "%s ? it's") | {"id": f"e{seq}", "kind": kind}
    return texts | {"seq": seq, "at_us": 1, "recorded_at_us": 1, "cause": None, "inputs": [], "data": data or {}}


def test_a_list_of_any_length_is_one_parameter(metadata):
    with metadata.record() as connection:
        ADD.run_many(connection, [_entry(seq, f'kind {seq} "quoted" %s') for seq in range(1, 6)])
    wanted = [f'kind {seq} "quoted" %s' for seq in (2, 4, 99)] + [f"no {n}" for n in range(40_000)]
    with metadata.read() as connection:
        assert [row[0] for row in AMONG.all(connection, kinds=wanted, after=0)] == ["e2", "e4"]
        assert AMONG.first(connection, kinds=wanted, after=2) == ("e4", 'kind 4 "quoted" %s')
        assert AMONG.all(connection, kinds=[], after=0) == []


def test_what_is_put_in_by_the_driver_is_read_by_sqlalchemy(metadata):
    told = {"a": [1, None, "ü"], "b": {"c": 0.5}}
    with metadata.record() as connection:
        assert ADD.run(connection, **_entry(1, "kind", told)) == 1
    with metadata.read() as connection:
        row = connection.execute(sa.select(entries)).one()
    assert (row.data, row.inputs, row.cause, row.actor) == (told, [], None, "%s ? it's")


def test_reads_see_one_snapshot(metadata):
    with metadata.read() as reader:
        assert AMONG.all(reader, kinds=["kind"], after=0) == []
        with metadata.record() as writer:
            ADD.run(writer, **_entry(1, "kind"))
        assert AMONG.all(reader, kinds=["kind"], after=0) == []


def test_the_drivers_errors_are_said_as_those_of_any_statement(metadata):
    with pytest.raises(sa.exc.IntegrityError), metadata.record() as connection:
        ADD.run_many(connection, [_entry(1, "kind"), _entry(1, "kind")])
    with pytest.raises(InvalidInput), metadata.record() as connection:
        ADD.run(connection, **_entry(2**70, "kind"))
    with metadata.read() as connection:
        assert AMONG.all(connection, kinds=["kind"], after=0) == []


def test_a_statement_that_cannot_run_is_not_a_drivers_error(metadata):
    kind = Unavailable if metadata.engine.dialect.name == "sqlite" else sa.exc.ProgrammingError
    with pytest.raises(kind), metadata.read() as connection:
        run_text(connection, "SELECT nothing FROM nowhere", ())
