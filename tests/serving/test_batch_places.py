"""A job never writes over what it reads, and one that fails leaves nothing that is of no use."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.serving.batch_cases import Picky, left_behind, numbered, read

from tidewheel.base.errors import InvalidInput
from tidewheel.serving import BatchOptions


@pytest.fixture
def picky(house):
    return house.register(Picky()).id


@pytest.mark.parametrize("target", ["in.parquet", "./in.parquet", "sub/../in.parquet", "link.parquet"])
def test_a_target_that_is_its_own_source_is_refused_also_when_it_may_replace(house, picky, tmp_path, target):
    source = tmp_path / "in.parquet"
    pq.write_table(numbered(10), source)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.parquet").symlink_to(source)
    before = source.read_bytes()
    for options in (BatchOptions(overwrite=True), BatchOptions()):
        with pytest.raises(InvalidInput, match="is what is scored"):
            house.serving.batch(picky, str(source), f"{tmp_path}/{target}", options)
    assert source.read_bytes() == before


def test_a_file_of_a_folder_that_is_scored_is_no_target_and_no_place_for_bad_rows(house, picky, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(numbered(10), folder / "one.parquet")
    for target, rejects in (("parts/one.parquet", None), ("parts", None), ("out.parquet", "parts/one.parquet")):
        options = BatchOptions(overwrite=True, rejects=rejects and str(tmp_path / rejects))
        with pytest.raises(InvalidInput, match="is what is scored"):
            house.serving.batch(picky, str(folder), str(tmp_path / target), options)
    assert read(folder / "one.parquet").num_rows == 10


def failed(house, picky, folder: Path, options: BatchOptions) -> InvalidInput:
    pq.write_table(numbered(30, begin=0), folder / "in.parquet")  # of which one has a = 13
    with pytest.raises(InvalidInput) as refused:
        house.serving.batch(picky, str(folder / "in.parquet"), str(folder / "out.parquet"), options)
    assert not (folder / "out.parquet").exists()
    return refused.value


def test_a_job_that_failed_at_its_first_part_leaves_no_folder(house, picky, tmp_path):
    failed(house, picky, tmp_path, BatchOptions(max_rejects=0, workers=1))
    assert left_behind(tmp_path) == []


def test_a_job_that_failed_later_says_what_it_left_and_goes_on_from_there(house, picky, tmp_path):
    refused = failed(house, picky, tmp_path, BatchOptions(max_rejects=0, workers=1, rows_per_part=5))
    assert left_behind(tmp_path) == [".out.parquet.batch"]
    assert f"finished parts lie in {tmp_path / '.out.parquet.batch'}" in refused.fix
    again = BatchOptions(max_rejects=1, workers=1, rows_per_part=5)
    result = house.serving.batch(picky, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"), again)
    assert (result.rows, result.rejected, result.resumed_rows) == (29, 1, 10)
    assert left_behind(tmp_path) == []
