"""What `storage.contracts.Blobs` promises, for every backend."""

from pathlib import Path

import pytest

from tidewheel.base.errors import InvalidInput, NotFound, Unavailable
from tidewheel.base.hashing import hash_bytes
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
