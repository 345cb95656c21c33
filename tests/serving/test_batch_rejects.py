"""A bad row is set aside with its reason and takes no other along; too many of them end the job."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.serving.batch_cases import Picky, answers, left_behind, numbered, read

from tidewheel.base.errors import InvalidInput
from tidewheel.registry import Signature
from tidewheel.registry.formats import open_format
from tidewheel.serving import BatchOptions


@pytest.fixture
def picky(house):
    return house.register(Picky()).id


def test_a_row_that_the_model_fails_on_is_set_aside_alone(house, picky, tmp_path):
    table = numbered(3_000, begin=0)  # of which one has a = 13
    pq.write_table(table, tmp_path / "in.parquet")
    options = BatchOptions(rows_per_part=700, workers=2)
    result = house.serving.batch(picky, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"), options)
    assert (result.rows, result.rejected, result.rejects) == (2_999, 1, str(tmp_path / "out.rejected.parquet"))
    good = table.filter(pa.array([place != 13 for place in range(3_000)]))
    assert read(tmp_path / "out.parquet")["id"].equals(good["id"])
    assert read(tmp_path / "out.parquet")["p"].to_pylist() == answers(good).tolist()
    (bad,) = read(tmp_path / "out.rejected.parquet").to_pylist()
    assert bad == {
        "rejected_row": 13,
        "rejected_reason": "The model failed: ValueError: thirteen",
        **table.to_pylist()[13],
    }


def test_values_and_records_of_a_csv_that_make_no_sense_are_set_aside(house, picky, tmp_path):
    (tmp_path / "in.csv").write_text(
        'who,a,b\n"x, y",1,2\nshort,1\nz,oops,3\n"two\nlines",4,\nlong,1,2,3\nlast,5,1e3\nodd,6,--\n'
    )
    result = house.serving.batch(
        picky, str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"), BatchOptions(rejects=str(tmp_path / "bad.csv"))
    )
    assert (result.rows, result.rejected) == (3, 4)
    scored = read(tmp_path / "out.parquet")
    assert scored["who"].to_pylist() == ["x, y", "two\nlines", "last"]
    assert scored["a"].to_pylist() == [1.0, 4.0, 5.0]
    assert scored["b"].to_pylist() == [2.0, None, 1000.0]
    rejected = read(tmp_path / "bad.csv").to_pylist()
    assert [row["rejected_row"] for row in rejected] == [1, 2, 4, 6]
    assert rejected[0]["rejected_reason"] == ("The record has 2 values where the header names 3. It is: short,1")
    assert "'a' is not numeric" in rejected[1]["rejected_reason"]
    assert (rejected[1]["who"], rejected[1]["a"]) == ("z", "oops")
    assert "'b' is not numeric" in rejected[3]["rejected_reason"]


def test_a_value_that_the_signature_forbids_is_set_aside(house, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    open_format("python").save(Picky(), folder)
    signature = Signature((("a", "int64"), ("b", "float64")), (("p", "float64"),))
    version = house.registry.register("surge", format="python", folder=folder, signature=signature, trust=True)
    pq.write_table(pa.table({"a": [1.0, None, 2.5, 4.0], "b": [1.0, 1.0, 1.0, None]}), tmp_path / "in.parquet")
    result = house.serving.batch(version.id, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"))
    assert (result.rows, result.rejected) == (2, 2)
    bad = read(tmp_path / "out.rejected.parquet")
    assert bad["rejected_row"].to_pylist() == [1, 2]
    assert "gives null" in bad["rejected_reason"][0].as_py()
    assert "gives 2.5" in bad["rejected_reason"][1].as_py()


def test_too_many_bad_rows_end_the_job_and_a_larger_allowance_goes_on(house, picky, tmp_path):
    source, target = str(tmp_path / "in.csv"), tmp_path / "out.csv"
    lines = [f"{place},{'x' if place % 10 == 0 else 1}" for place in range(1_000)]
    (tmp_path / "in.csv").write_text("\n".join(["a,b", *lines, ""]).replace("13,1", "14,1"))
    with pytest.raises(InvalidInput, match=r"at most 45 may be set aside; one says: .*not numeric.*--max-rejects"):
        house.serving.batch(picky, source, str(target), BatchOptions(max_rejects=45, rows_per_part=100, workers=1))
    assert not target.exists()
    options = BatchOptions(max_rejects=100, rows_per_part=100, workers=1)
    result = house.serving.batch(picky, source, str(target), options)
    assert (result.rows, result.rejected, result.resumed_rows) == (900, 100, 500)
    assert left_behind(tmp_path) == []


def test_a_flood_of_records_that_are_none_ends_the_job_with_the_first_of_its_blocks(house, picky, tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n" + "1,2\n" * 50 + "1\n" * 101)
    with pytest.raises(InvalidInput, match=r"at most 100 may be set aside; one says: The record has 1 values"):
        house.serving.batch(picky, str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), BatchOptions(max_rejects=100))
    assert not (tmp_path / "out.csv").exists()


def test_a_file_without_one_good_row_is_refused(house, picky, tmp_path):
    pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "in.parquet")
    with pytest.raises(InvalidInput, match="Not one row can be scored"):
        house.serving.batch(picky, str(tmp_path / "in.parquet"), str(tmp_path / "out.parquet"))


def test_what_was_set_aside_before_does_not_outlive_a_better_run(house, picky, tmp_path):
    source, target, bad = tmp_path / "in.parquet", tmp_path / "out.parquet", tmp_path / "out.rejected.parquet"
    pq.write_table(numbered(20, begin=0), source)
    house.serving.batch(picky, str(source), str(target))
    assert bad.exists()
    pq.write_table(numbered(20), source)
    house.serving.batch(picky, str(source), str(target), BatchOptions(overwrite=True))
    assert not bad.exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.lists(st.sampled_from(["", "value", "short", "model"]), max_size=60),
    rows_per_part=st.integers(1, 70),
)
def test_every_row_of_a_csv_is_either_scored_or_set_aside(house, picky, tmp_path, bad, rows_per_part):
    texts = {"": "{0},1,2", "value": "{0},1,no", "short": "{0}", "model": "{0},13,2"}
    lines = [texts[kind].format(place) for place, kind in enumerate(bad)]
    (tmp_path / "in.csv").write_text("\n".join(["id,a,b", *lines, "-1,1,2", ""]))
    target = tmp_path / "out.parquet"
    options = BatchOptions(rows_per_part=rows_per_part, workers=1, overwrite=True)
    result = house.serving.batch(picky, str(tmp_path / "in.csv"), str(target), options)
    good = [str(place) for place, kind in enumerate(bad) if not kind]
    assert read(target)["id"].to_pylist() == [*good, "-1"]
    assert result.rejected == len(bad) - len(good)
    if result.rejected:
        rejected = read(tmp_path / "out.rejected.parquet")["rejected_row"].to_pylist()
        assert rejected == [place for place, kind in enumerate(bad) if kind]
