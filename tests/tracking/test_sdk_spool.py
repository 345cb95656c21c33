"""The spool file: what is read back is a beginning of what was written, whatever happened to the bytes."""

import os

import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.base.errors import Corrupt
from tidewheel.tracking.sdk.spool_file import HEAD_BYTES, SpoolFile

RECORDS = st.lists(st.binary(min_size=1, max_size=60), max_size=12)


def written(path, records, size_bytes=4096):
    path.unlink(missing_ok=True)
    file = SpoolFile.create(path, size_bytes)
    for record in records:
        assert file.append(record)
    file.close(delete=False)


def read_all(path):
    file = SpoolFile.take_over(path)
    if file is None:
        return []
    found, at = [], file.delivered
    try:
        while some := file.read(at, 3):
            found += [record for record, _ in some]
            at = some[-1][1]
    except Corrupt:
        pass
    finally:
        file.close(delete=False)
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("spool") / "one.spool"


@settings(deadline=None)
@given(records=RECORDS)
def test_what_was_appended_is_read_back_in_order(path, records):
    written(path, records)
    assert read_all(path) == records


@settings(deadline=None)
@given(records=RECORDS, cut=st.integers(0, 1000))
def test_a_file_cut_short_anywhere_gives_a_beginning(path, records, cut):
    written(path, records)
    os.truncate(path, cut)
    found = read_all(path)
    assert found == records[: len(found)]


@settings(max_examples=300, deadline=None)
@given(records=RECORDS, at=st.integers(HEAD_BYTES, 900), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_never_makes_up_a_record(path, records, at, bit):
    written(path, records)
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)
    found = read_all(path)
    assert found == records[: len(found)]


@settings(deadline=None)
@given(records=RECORDS, at=st.integers(8, HEAD_BYTES - 1), bit=st.integers(0, 7))
def test_a_damaged_mark_of_what_was_delivered_means_from_the_beginning(path, records, at, bit):
    written(path, records)
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)
    assert read_all(path) == records


def test_a_living_process_keeps_its_file(path):
    path.unlink(missing_ok=True)
    mine = SpoolFile.create(path, 4096)
    assert SpoolFile.take_over(path) is None
    mine.close(delete=True)
    assert not path.exists()


def test_a_full_file_says_so(path):
    path.unlink(missing_ok=True)
    file = SpoolFile.create(path, 100)
    assert file.append(b"x" * 60)
    assert not file.append(b"x" * 60)
    file.close(delete=True)
