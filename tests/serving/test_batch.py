"""Scoring tables and files gives what requests would have got."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.serving.models import Adding

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving import score, score_file


@pytest.fixture
def version(house):
    return house.serving.open_version(house.register(Adding(10.0)).id)


def test_a_table_gets_a_column_for_each_output(version):
    rows = pa.table({"b": [2, None], "other": ["x", "y"], "a": [1.0, 2.0]})
    scored = score(version, rows)
    assert scored.column_names == ["b", "other", "a", "p"]
    assert scored["p"][0].as_py() == 13.0
    assert np.isnan(scored["p"][1].as_py())
    assert score(version, rows.slice(0, 0))["p"].to_pylist() == []


def test_features_are_looked_up_as_of_each_row(house):
    version = house.serving.open_version(house.register_zones(Adding(0.0)).id)
    online = house.online
    house.features.push("zone_demand", [{"zone": "z1", "demand": 5, "at": "2026-01-01T12:00:00Z"}])
    at = pa.array([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)])
    rows = pa.table({"zone": ["z1", "z1", "z2"], "drivers": [1.0, 2.0, 3.0], "at": at})
    early, late, unknown = score(version, rows, online=online, time="at")["p"].to_pylist()
    assert late == 7.0
    assert np.isnan(early)
    assert np.isnan(unknown)
    with pytest.raises(InvalidInput, match="no column 'when'"):
        score(version, rows, online=online, time="when")


def test_a_file_is_scored_row_group_by_row_group(version, tmp_path):
    values = np.random.default_rng(1).normal(size=(150_000, 2))
    pq.write_table(pa.table({"a": values[:, 0], "b": values[:, 1]}), tmp_path / "in.parquet", row_group_size=40_000)
    assert score_file(version, tmp_path / "in.parquet", tmp_path / "out.parquet") == 150_000
    assert np.allclose(pq.read_table(tmp_path / "out.parquet")["p"].to_numpy(), values.sum(axis=1) + 10)
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_what_cannot_be_scored_says_why(version, tmp_path):
    with pytest.raises(InvalidInput, match="Features are missing: b"):
        score(version, pa.table({"a": [1.0]}))
    with pytest.raises(InvalidInput, match="not numeric"):
        score(version, pa.table({"a": ["x"], "b": [1.0]}))
    with pytest.raises(NotFound):
        score_file(version, tmp_path / "none.parquet", tmp_path / "out.parquet")
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InvalidInput, match="not Parquet"):
        score_file(version, tmp_path / "bad.parquet", tmp_path / "out.parquet")
