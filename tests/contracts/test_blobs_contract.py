"""What `storage.contracts.Blobs` promises, for every backend."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.contracts.killed import acknowledged_before_kill

from tidewheel.base.errors import InvalidInput, NotFound, Unavailable
from tidewheel.base.hashing import hash_bytes
from tidewheel.storage import open_backend
from tidewheel.storage.contracts import Blobs


def test_bytes_come_back_under_their_digest(blobs: Blobs) -> None:
    digest = blobs.put(b"tide")
    assert digest == hash_bytes(b"tide")
    assert blobs.get(digest) == b"tide"
    assert blobs.has(digest)


def test_putting_the_same_bytes_again_changes_nothing(blobs: Blobs) -> None:
    assert blobs.put(b"") == blobs.put(b"")
    assert blobs.get(blobs.put(b"")) == b""


def test_a_file_is_stored_and_fetched_whole(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 10_000)
    digest = blobs.put_file(source)
    assert digest == blobs.put(source.read_bytes())
    target = blobs.fetch(digest, tmp_path / "deep" / "er" / "target")
    assert target.read_bytes() == source.read_bytes()


def test_an_unknown_digest_is_not_found(blobs: Blobs, tmp_path: Path) -> None:
    digest = hash_bytes(b"never put")
    assert not blobs.has(digest)
    with pytest.raises(NotFound):
        blobs.get(digest)
    with pytest.raises(NotFound):
        blobs.fetch(digest, tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("digest", ["", "abc", "../" * 20 + "etc/passwd", "G" * 64, "A" * 64])
def test_what_is_not_a_digest_is_refused(blobs: Blobs, digest: str) -> None:
    with pytest.raises(InvalidInput):
        blobs.get(digest)


def test_a_target_that_cannot_be_written_leaves_nothing_and_is_unavailable(blobs: Blobs, tmp_path: Path) -> None:
    digest = blobs.put(b"tide")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        blobs.fetch(digest, tmp_path / "file" / "target")
    (tmp_path / "folder" / "target" / "inside").mkdir(parents=True)
    with pytest.raises(Unavailable):
        blobs.fetch(digest, tmp_path / "folder" / "target")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["target"]


def written(blobs: Blobs, *pieces: bytes) -> tuple[str, int]:
    with blobs.writer() as writer:
        for piece in pieces:
            writer.write(piece)
        return writer.commit()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(st.binary(max_size=50), max_size=6), start=st.integers(0, 310), length=st.integers(0, 310))
def test_pieces_become_one_blob_and_any_part_of_it_can_be_read(
    blobs: Blobs, pieces: list[bytes], start: int, length: int
) -> None:
    whole = b"".join(pieces)
    digest, size = written(blobs, *pieces)
    assert (digest, size, blobs.size_bytes(digest)) == (hash_bytes(whole), len(whole), len(whole))
    assert b"".join(blobs.open(digest)) == blobs.get(digest) == whole
    assert b"".join(blobs.open(digest, start, start + length)) == whole[start : start + length]
    assert b"".join(blobs.open(digest, start)) == whole[start:]


def test_what_is_not_committed_is_forgotten(blobs: Blobs) -> None:
    with blobs.writer() as writer:
        writer.write(b"half")
    assert not blobs.has(hash_bytes(b"half"))
    with pytest.raises(ZeroDivisionError), blobs.writer() as writer:
        writer.write(b"half")
        raise ZeroDivisionError
    assert not blobs.has(hash_bytes(b"half"))


def test_a_blob_is_read_in_pieces_and_put_again_in_pieces(blobs: Blobs) -> None:
    digest = blobs.put(bytes(range(256)) * 20_000)
    pieces = list(blobs.open(digest))
    assert max(map(len, pieces)) <= 2**20 < sum(map(len, pieces))
    assert written(blobs, *pieces) == (digest, 256 * 20_000)


def test_a_missing_blob_is_missed_when_it_is_asked_for(blobs: Blobs) -> None:
    digest = hash_bytes(b"never put")
    for ask in (blobs.open, blobs.size_bytes):
        with pytest.raises(NotFound):
            ask(digest)


def test_a_removed_blob_is_gone_and_may_be_put_again(blobs: Blobs) -> None:
    digest = blobs.put(b"tide")
    blobs.remove(digest)
    blobs.remove(digest)
    assert not blobs.has(digest)
    assert blobs.put(b"tide") == digest
    assert blobs.get(digest) == b"tide"


def test_two_writers_of_the_same_bytes_do_not_disturb_each_other(blobs: Blobs) -> None:
    with blobs.writer() as first, blobs.writer() as second:
        first.write(b"tide")
        second.write(b"tide")
        assert first.commit() == second.commit()
    assert blobs.get(hash_bytes(b"tide")) == b"tide"


PUT_FOR_EVER = (
    "import sys; from tidewheel.storage import open_backend\n"
    "blobs = open_backend('blobs', sys.argv[1])\n"
    "number = 0\n"
    "while True:\n"
    "    with blobs.writer() as writer:\n"
    "        for piece in range(20): writer.write(b'%d ' % number * 20_000)\n"
    "        writer.commit()\n"
    "    print(number, flush=True)\n"
    "    number += 1\n"
)


@pytest.mark.crash
def test_what_was_committed_survives_a_kill_and_no_half_blob_is_seen(blobs_url: str) -> None:
    last = acknowledged_before_kill(PUT_FOR_EVER, blobs_url, writes=12)
    blobs: Blobs = open_backend("blobs", blobs_url)
    for number in range(last + 1):
        whole = b"%d " % number * 400_000
        assert b"".join(blobs.open(hash_bytes(whole))) == whole
