"""Scoring tables gives what requests would have got; files of every format keep their rows and their order."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.serving.batch_cases import Picky, answers, left_behind, numbered, read
from tests.serving.models import Adding

from tidewheel.base.errors import Conflict, InvalidInput, NotFound, Taken
from tidewheel.serving import BatchOptions, score
from tidewheel.serving.batch.places import place_of
from tidewheel.serving.batch.work import Work


@pytest.fixture
def version(house):
    return house.serving.open_version(house.register(Adding(10.0)).id)


@pytest.fixture
def picky(house):
    return house.register(Picky()).id


def test_a_table_gets_a_column_for_each_output(version):
    rows = pa.table({"b": [2, None], "other": ["x", "y"], "a": [1.0, 2.0]})
    scored = score(version, rows)
    assert scored.column_names == ["b", "other", "a", "p"]
    assert scored["p"][0].as_py() == 13.0
    assert np.isnan(scored["p"][1].as_py())
    assert score(version, rows.slice(0, 0))["p"].to_pylist() == []


def test_features_are_looked_up_as_of_each_row(house, tmp_path):
    version_id = house.register_zones(Adding(0.0)).id
    version = house.serving.open_version(version_id)
    house.features.push("zone_demand", [{"zone": "z1", "demand": 5, "at": "2026-01-01T12:00:00Z"}])
    at = pa.array([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)])
    rows = pa.table({"zone": ["z1", "z1", "z2"], "drivers": [1.0, 2.0, 3.0], "at": at})
    early, late, unknown = score(version, rows, online=house.online, time="at")["p"].to_pylist()
    assert late == 7.0
    assert np.isnan(early)
    assert np.isnan(unknown)
    with pytest.raises(InvalidInput, match="no column 'when'"):
        score(version, rows, online=house.online, time="when")
    pq.write_table(rows, tmp_path / "in.parquet")
    options = BatchOptions(time="at")
    house.serving.batch(version_id, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"), options)
    assert np.array_equal(read(tmp_path / "out.parquet")["p"], [early, late, unknown], equal_nan=True)


def _write(table: pa.Table, path: Path) -> None:
    if path.name.endswith(".csv.gz"):
        with pa.CompressedOutputStream(path, "gzip") as stream:
            pyarrow.csv.write_csv(table, stream)
    elif path.name.endswith(".jsonl"):
        path.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    elif path.name.endswith(".csv"):
        pyarrow.csv.write_csv(table, path)
    elif path.suffix:
        pq.write_table(table, path, row_group_size=300)
    else:
        write_deltalake(path, table.slice(0, 400))
        write_deltalake(path, table.slice(400), mode="append")


@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.csv.gz", "out.jsonl", "out.ndjson.gz", "out"])
@pytest.mark.parametrize("source", ["in.parquet", "in.csv", "in.csv.gz", "in.jsonl", "in"])
def test_every_format_becomes_every_format(house, picky, tmp_path, source, target):
    table = numbered(1_000)
    _write(table, tmp_path / source)
    options = BatchOptions(rows_per_part=130, columns=("id", "a", "b"), workers=1)
    result = house.serving.batch(picky, str(tmp_path / source), str(tmp_path / target), options)
    scored = read(tmp_path / target)
    assert (result.rows, result.rejected, scored.num_rows) == (1_000, 0, 1_000)
    assert scored.column_names == ["id", "a", "b", "p"]
    ordered = source != "in" and target != "out"  # the rows of a Delta table have no order
    order = slice(None) if ordered else np.argsort(scored["id"].to_numpy().astype(int))
    assert np.array_equal(scored["id"].to_numpy().astype(int)[order], table["id"].to_numpy())
    assert np.allclose(scored["p"].to_numpy()[order], answers(table))
    assert left_behind(tmp_path) == []


def test_several_processes_keep_the_order(house, picky, tmp_path):
    folder = tmp_path / "days"
    folder.mkdir()
    table = numbered(5_000)
    for place, begin in enumerate(range(0, 5_000, 1_300)):
        pq.write_table(table.slice(begin, 1_300), folder / f"day-{place}.parquet")
    for source in (folder, folder / "*.parquet"):
        seen = []
        opened = BatchOptions(workers=3, rows_per_part=400, overwrite=True)
        result = house.serving.batch(picky, str(source), str(tmp_path / "out.parquet"), opened, seen.append)
        assert (result.workers, result.rows) == (3, 5_000)
        assert (seen[-1].rows, seen[-1].total) == (5_000, 5_000)
        scored = read(tmp_path / "out.parquet")
        assert scored.select(table.column_names).equals(table)
        assert np.array_equal(scored["p"].to_numpy(), answers(table))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(0, 400), rows_per_part=st.integers(1, 450), group=st.integers(1, 450), cut=st.integers(0, 400))
def test_however_it_is_cut_a_file_gets_what_one_table_gets(house, tmp_path, rows, rows_per_part, group, cut):
    opening = house.__dict__.setdefault("adding", house.register(Adding(10.0)).id)
    values = np.random.default_rng(rows).normal(size=(rows, 2))
    table = pa.table({"a": values[:, 0], "b": values[:, 1]})
    folder, target = tmp_path / "in", tmp_path / "out.parquet"
    folder.mkdir(exist_ok=True)
    for name, half in (("1.parquet", table.slice(0, cut)), ("2.parquet", table.slice(cut))):
        pq.write_table(half, folder / name, row_group_size=group)
    options = BatchOptions(rows_per_part=rows_per_part, workers=1, overwrite=True)
    assert house.serving.batch(opening, str(folder), str(target), options).rows == rows
    assert read(target).equals(score(house.serving.open_version(opening), table))


def test_a_file_that_cannot_be_scored_says_why(house, picky, tmp_path):
    def run(source, target="out.parquet", **options):
        house.serving.batch(picky, str(tmp_path / source), str(tmp_path / target), BatchOptions(**options))

    (tmp_path / "bad.parquet").write_text("no")
    (tmp_path / "empty.csv").write_text("")
    pq.write_table(pa.table({"a": [1.0]}), tmp_path / "short.parquet")
    pq.write_table(pa.table({"a": [1.0], "b": [[1.0]]}), tmp_path / "nested.parquet")
    pq.write_table(pa.table({"a": [1.0], "b": [1.0], "p": [1.0]}), tmp_path / "taken.parquet")
    pq.write_table(numbered(3), tmp_path / "in.parquet")
    with pytest.raises(NotFound, match=r"no file .*none\.parquet"):
        run("none.parquet")
    for source, words in {
        "bad.parquet": "not Parquet",
        "empty.csv": "no CSV that can be read",
        "short.parquet": "Features are missing: b",
        "nested.parquet": "'b' has shape .* values in one row",
        "taken.parquet": "has a column 'p' already",
    }.items():
        with pytest.raises(InvalidInput, match=words):
            run(source)
    with pytest.raises(InvalidInput, match="no column 'c'"):
        run("in.parquet", columns=("c",))
    with pytest.raises(InvalidInput, match="names no format"):
        run("in.parquet", "out.xlsx")
    with pytest.raises(InvalidInput, match="rows_per_part is 0"):
        run("in.parquet", rows_per_part=0)
    assert left_behind(tmp_path) == []


def test_a_target_that_exists_is_replaced_only_when_asked(house, picky, tmp_path):
    source, target = str(tmp_path / "in.parquet"), tmp_path / "out.parquet"
    pq.write_table(numbered(3), source)
    target.write_text("precious")
    with pytest.raises(Taken, match=r"out\.parquet exists.*--overwrite"):
        house.serving.batch(picky, source, str(target))
    assert target.read_text() == "precious"
    house.serving.batch(picky, source, str(target), BatchOptions(overwrite=True))
    assert read(target).num_rows == 3


def test_two_runs_for_one_target_do_not_mix(house, picky, tmp_path):
    source, target = str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet")
    pq.write_table(numbered(3), source)
    with Work(place_of(target)).alone(), pytest.raises(Conflict, match="another run"):
        house.serving.batch(picky, source, target)
