"""What the local folder of blobs does beyond its contract: no litter, no half blob, and plain words on a full disk."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidewheel.base.errors import Corrupt
from tidewheel.storage.backends.local_blobs import LocalBlobs


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_forgotten_writer_leaves_no_file(tmp_path):
    blobs = LocalBlobs(tmp_path)
    with blobs.writer() as writer:
        writer.write(b"half")
        assert files_below(tmp_path)
    assert not files_below(tmp_path)


def test_what_a_killed_writer_left_is_swept_after_a_day_and_not_before(tmp_path):
    LocalBlobs(tmp_path)
    left, fresh = tmp_path / "incoming" / "left", tmp_path / "incoming" / "fresh"
    for path in (left, fresh):
        path.write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    LocalBlobs(tmp_path)
    assert files_below(tmp_path) == [fresh]


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_damaged_blob_is_never_given_out_whole(tmp_path, size):
    blobs = LocalBlobs(tmp_path)
    whole = os.urandom(size)
    digest = blobs.put(whole)
    (tmp_path / digest[:2] / digest[2:]).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    given = []
    with pytest.raises(Corrupt):
        given.extend(blobs.open(digest))
    assert sum(map(len, given)) <= max(0, size - (1 << 20))


FULL = (
    "import resource, sys; from pathlib import Path\n"
    "from tidewheel.base.errors import Unavailable\n"
    "from tidewheel.storage.backends.local_blobs import LocalBlobs\n"
    "blobs = LocalBlobs(Path(sys.argv[1]))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    "try:\n"
    "    with blobs.writer() as writer:\n"
    "        for _ in range(3): writer.write(b'x' * 500_000)\n"
    "except Unavailable as error: print(error)\n"
    "print(blobs.put(b'small'))\n"
)


def test_a_full_disk_is_said_plainly_and_leaves_nothing(tmp_path):
    told = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    sentence, digest = told.stdout.splitlines()
    assert "could not be written" in sentence
    assert "Check disk space" in sentence
    assert files_below(tmp_path) == [tmp_path / digest[:2] / digest[2:]]
