"""`tidewheel batch` as a person runs it: killed and run again, nothing stands twice and nothing is missing.

Memory does not grow with the file.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.serving.batch_cases import Crawling, Picky, answers, left_behind, numbered, read
from tests.serving.house import House, until

from tidewheel.app import open_platform
from tidewheel.registry import Signature
from tidewheel.registry.formats import open_format
from tidewheel.serving import BatchOptions

ROWS = 4_000


@dataclass(frozen=True)
class Home:
    """An install and the champion in it."""

    folder: Path
    version_id: str


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder, files = tmp_path / "home", tmp_path / "files"
    files.mkdir()
    open_format("python").save(Crawling(), files)
    with open_platform(folder) as platform:
        signature = Signature.of(["a", "b"], ["p"])
        version = platform.registry.register("surge", format="python", folder=files, signature=signature, trust=True)
        platform.registry.promote(version.id)
    return Home(folder, version.id)


def _start(home: Home, *arguments: str) -> subprocess.Popen:
    command = [Path(sys.executable).with_name("tidewheel"), "batch", *arguments, "--home", str(home.folder), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ended(process: subprocess.Popen) -> dict:
    said, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, ""), said + complaint
    return json.loads(said)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    """Whether a process is there, and not only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _parts(target: Path) -> list[Path]:
    return sorted(target.with_name(f".{target.name}.batch").glob("part-*.arrow"))


@pytest.mark.crash
@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_was_killed_goes_on_where_it_was(home, tmp_path, workers):
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table = numbered(ROWS)
    pq.write_table(table, source, row_group_size=700)
    command = ["models:/surge@champion", str(source), str(target), "--rows-per-part", "50", "--workers", str(workers)]
    first = _start(home, *command)
    until(lambda: len(_parts(target)) >= 5, seconds=60)
    children = _children(first.pid)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    until(lambda: not any(map(_lives, children)), seconds=30)
    assert not target.exists()
    kept = {path: path.stat().st_mtime_ns for path in _parts(target)}
    assert 0 < len(kept) < ROWS // 50

    second = _start(home, *command)
    until(lambda: len(_parts(target)) > len(kept) or second.poll() is not None, seconds=60)
    assert {path: path.stat().st_mtime_ns for path in kept if path.exists()} == kept  # done once is done
    result = _ended(second)
    assert (result["rows"], result["rejected"], result["resumed_rows"]) == (ROWS, 0, 50 * len(kept))
    scored = read(target)
    assert scored.select(table.column_names).equals(table)
    assert np.array_equal(scored["p"].to_numpy(), answers(table))
    assert left_behind(tmp_path) == []


@pytest.mark.crash
@pytest.mark.slow
def test_killed_again_and_again_a_job_still_ends_with_every_row_once(home, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out"
    table = numbered(ROWS)
    source.write_text("id,a,b\n" + "".join(f"{place},{a},{a / 2}\n" for place, a in enumerate(table["a"].to_pylist())))
    command = [home.version_id, str(source), str(target), "--rows-per-part", "100", "--workers", "2"]
    for parts in (1, 10, 25, 39):
        process = _start(home, *command)
        until(lambda least=parts, run=process: len(_parts(target)) >= least or run.poll() is not None, seconds=60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    result = _ended(_start(home, *command, "--overwrite"))
    assert result["rows"] == ROWS
    assert sorted(read(target)["id"].to_pylist(), key=int) == [str(place) for place in range(ROWS)]


def test_parts_of_another_file_are_not_taken_for_this_ones(house, tmp_path):
    version_id = house.register(Crawling()).id
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    options = BatchOptions(rows_per_part=100, workers=1)

    class Enough(Exception):
        pass

    def stop_early(progress):
        if progress.rows >= 200:
            raise Enough

    pq.write_table(numbered(500), source)
    with pytest.raises(Enough):
        house.serving.batch(version_id, str(source), str(target), options, stop_early)
    assert len(_parts(target)) == 2
    pq.write_table(numbered(500, begin=7_000), source)
    result = house.serving.batch(version_id, str(source), str(target), options)
    assert (result.rows, result.resumed_rows) == (500, 0)
    assert read(target)["p"].to_pylist() == answers(numbered(500, begin=7_000)).tolist()


def test_a_job_that_was_killed_while_it_published_publishes_again(house, tmp_path):
    version_id = house.register(Crawling()).id
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    options = BatchOptions(rows_per_part=100, workers=1)
    pq.write_table(numbered(300), source)

    class Enough(Exception):
        pass

    def look(progress):
        if progress.rows == 300:
            raise Enough

    with pytest.raises(Enough):
        house.serving.batch(version_id, str(source), str(target), options, look)
    manifest = target.with_name(".out.parquet.batch") / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "publishing": True}))
    pq.write_table(numbered(3), target)  # what the killed run had published
    result = house.serving.batch(version_id, str(source), str(target), options)
    assert (result.rows, result.resumed_rows) == (300, 300)
    assert read(target)["id"].equals(numbered(300)["id"])


PEAK = """
import sys
from pathlib import Path
from tests.serving.house import open_house
from tidewheel.serving import BatchOptions
house = open_house(Path(sys.argv[1]))
options = BatchOptions(rows_per_part=20_000, workers=1, overwrite=True)
house.serving.batch(sys.argv[2], sys.argv[3], sys.argv[4], options)
house.close()
status = Path("/proc/self/status").read_text()  # ru_maxrss would count what the parent had when it forked
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


def _peak_bytes(house: House, version_id: str, source: Path, target: Path) -> int:
    command = [sys.executable, "-c", PEAK, str(house.home), version_id, str(source), str(target)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2])
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_memory_does_not_grow_with_the_file(house, tmp_path):
    version_id = house.register(Picky()).id
    peaks = []
    for rows in (400_000, 1_600_000):
        source = tmp_path / f"{rows}.parquet"
        with pq.ParquetWriter(source, pa.schema([(name, pa.float64()) for name in "abcdefgh"])) as writer:
            for begin in range(0, rows, 400_000):
                values = np.random.default_rng(begin).normal(size=(8, min(rows, 400_000)))
                writer.write_table(pa.table(list(values), names=list("abcdefgh")), row_group_size=400_000)
        peaks.append(_peak_bytes(house, version_id, source, tmp_path / "out.parquet"))
        assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_rows == rows
    assert (tmp_path / "1600000.parquet").stat().st_size > 95e6
    assert peaks[1] - peaks[0] < 60e6
