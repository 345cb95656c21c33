"""JSON Lines in batch scoring: what a key holds over the whole file is its column, and a bad line is only itself."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.serving.batch_cases import Picky, left_behind, read

from tidewheel.base.errors import InvalidInput
from tidewheel.serving import BatchOptions
from tidewheel.serving.batch.json_columns import JsonColumns, column_of
from tidewheel.serving.batch.json_lines_target import JsonLinesWriter


@pytest.fixture
def picky(house):
    return house.register(Picky()).id


def lines_of(path):
    """The records of a file, plain or gzipped."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def score(house, version_id, folder, text, target="out.jsonl", **options):
    (folder / "in.jsonl").write_text(text)
    chosen = BatchOptions(**{"workers": 1, "overwrite": True, **options})
    return house.serving.batch(version_id, str(folder / "in.jsonl"), str(folder / target), chosen)


def test_records_keep_what_they_hold_and_get_their_outputs(house, picky, tmp_path):
    records = [
        {"a": 1, "b": 0.5, "who": "x", "tags": ["u", "v"], "near": [1, 2.5], "ok": True, "more": {"k": [1, {}]}},
        {"b": 1, "a": 2, "who": "ü\n", "tags": [], "near": [], "ok": None, "more": None, "late": 7},
    ]
    result = score(house, picky, tmp_path, "\n".join(map(json.dumps, records)))
    assert (result.rows, result.rejected) == (2, 0)
    first, second = lines_of(tmp_path / "out.jsonl")
    assert first == {**records[0], "late": None, "p": 6.0}
    assert second == {**records[1], "p": 12.0}
    assert isinstance(first["a"], int)


def test_lines_that_are_no_objects_and_values_that_are_no_numbers_are_set_aside(house, picky, tmp_path):
    lines = [
        '{"a": 1, "b": 2}',
        "",
        "[1, 2]",
        '{"a": "many", "b": 3}',
        '{"a": 1, "b": ',
        '{"a": 4, "b": NaN}\r',
        "  ",
        '{"a": 13, "b": 1}',
        '{"b": 1e3}',
    ]
    result = score(house, picky, tmp_path, "\n".join(lines), rows_per_part=2, rejects=str(tmp_path / "bad.jsonl"))
    assert (result.rows, result.rejected) == (3, 4)
    assert [(row["a"], row["b"]) for row in lines_of(tmp_path / "out.jsonl")] == [(1, 2), (4, None), (None, 1000)]
    bad = lines_of(tmp_path / "bad.jsonl")
    assert [row["rejected_row"] for row in bad] == [1, 2, 3, 5]
    reasons = [row["rejected_reason"] for row in bad]
    assert reasons[0].startswith("The line is no JSON object: Expected `object`, got `array`")
    assert reasons[0].endswith("It is: [1, 2]")
    assert "'a' is not numeric" in reasons[1]
    assert "truncated" in reasons[2]
    assert "thirteen" in reasons[3]
    assert left_behind(tmp_path) == []


def test_a_key_that_holds_numbers_here_and_text_there_is_text_of_which_the_model_takes_the_numbers(
    house, picky, tmp_path
):
    result = score(house, picky, tmp_path, '{"a": 1, "b": 1, "n": 1}\n{"a": "2", "b": 1, "n": "x"}\n', "out.parquet")
    assert result.rows == 2
    assert read(tmp_path / "out.parquet").to_pylist() == [
        {"a": 1.0, "b": 1, "n": "1", "p": 11.0},
        {"a": 2.0, "b": 1, "n": "x", "p": 12.0},
    ]


def test_of_an_input_that_is_lists_of_numbers_what_is_none_is_set_aside_and_other_keys_may_hold_anything():
    records = [{"v": [[1, 2.5]], "w": [1]}, {"v": [["no"]], "w": ["x"]}, {"v": 3}, {"v": [[1], 2]}, {"v": []}, {}]
    columns = JsonColumns()
    columns.look(records)
    schema = columns.schema({"v"})
    assert (str(schema.field("v").type), schema.field("w").type) == ("list<item: list<item: double>>", pa.string())
    for record in records[1:4]:
        with pytest.raises(ValueError, match="'v' is no list of numbers like others"):
            column_of(schema.field("v"), [record])
    good = [records[0], *records[4:]]
    assert column_of(schema.field("v"), good).to_pylist() == [[[1.0, 2.5]], [], None]
    assert column_of(schema.field("w"), records).to_pylist() == ["[1]", '["x"]', None, None, None, None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it holds no key"),
        ("\n{}\n", "it holds no key"),
        ('[\n{"a": 1},\n{"a": 2}\n]\n', "the line is no JSON object"),
        ("a,b\n1,2\n", "the line is no JSON object"),
        ('{"a": 1}\n', "Features are missing: b"),
    ],
)
def test_a_file_of_something_else_is_refused_in_words(house, picky, tmp_path, text, said):
    with pytest.raises(InvalidInput, match=said):
        score(house, picky, tmp_path, text)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_job_that_had_too_many_bad_rows_goes_on_where_it_was_with_a_larger_allowance(house, picky, tmp_path):
    lines = [json.dumps({"a": place, "b": 1 if place % 10 else "no"}) for place in range(1, 1_001)]
    text = "\n".join(lines).replace('"a": 13,', '"a": 14,')
    with pytest.raises(InvalidInput, match="at most 45 may be set aside"):
        score(house, picky, tmp_path, text, max_rejects=45, rows_per_part=100, overwrite=False)
    source, target = str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")
    options = BatchOptions(max_rejects=100, rows_per_part=100, workers=1)
    result = house.serving.batch(picky, source, target, options)
    assert (result.rows, result.rejected, result.resumed_rows) == (900, 100, 500)
    assert [row["a"] for row in lines_of(tmp_path / "out.jsonl")][:14] == [*range(1, 10), 11, 12, 14, 14, 15]


def test_a_flood_of_bad_lines_ends_the_job_before_anything_is_scored(house, picky, tmp_path):
    with pytest.raises(InvalidInput, match=r"at most 100 may be set aside; one says: The line is no JSON object"):
        score(house, picky, tmp_path, '{"a": 1, "b": 1}\n' * 50 + "{\n" * 101, max_rejects=100)
    assert left_behind(tmp_path) == []


def test_a_damaged_archive_is_refused(house, picky, tmp_path):
    data = gzip.compress(b'{"a": 1, "b": 2}\n' * 5_000)
    (tmp_path / "in.ndjson.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInput, match="no JSON Lines that can be read"):
        house.serving.batch(picky, str(tmp_path / "in.ndjson.gz"), str(tmp_path / "out.jsonl"))


def test_lines_may_lie_across_the_blocks_that_are_read(house, picky, tmp_path):
    long = "x" * 5_000_000
    text = "".join(json.dumps({"a": place, "b": 0, "note": long if place == 2 else "y"}) + "\n" for place in range(5))
    assert score(house, picky, tmp_path, text, columns=("a", "note")).rows == 5
    assert [(row["a"], len(row["note"])) for row in lines_of(tmp_path / "out.jsonl")] == [
        (0, 1),
        (1, 1),
        (2, 5_000_000),
        (3, 1),
        (4, 1),
    ]


_SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    _SCALARS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), _VALUES), min_size=1, max_size=8))
def test_whatever_a_file_holds_each_record_is_a_row_of_the_same_values_or_set_aside(records):
    records = [{**record, "always": True} for record in records]
    columns = JsonColumns()
    columns.look(records)
    schema = columns.schema()
    for record in records:
        try:
            table = pa.table([column_of(field, [record]) for field in schema], schema)
        except ValueError:  # one of its lists is not like the others
            assert any(map(pa.types.is_list, schema.types))
            continue
        sink = pa.BufferOutputStream()
        JsonLinesWriter(sink).write_table(table)
        (written,) = map(json.loads, sink.getvalue().to_pybytes().splitlines())
        for field in schema:
            assert _same(record.get(field.name), written[field.name], pa.types.is_string(field.type)), field


def _same(value, written, as_text):
    """Whether a value came back: as it was, or as its text where the key held several kinds."""
    if isinstance(value, str) or value is None or not as_text or not isinstance(written, str):
        return value == written
    return json.loads(written) == value


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.lists(st.sampled_from(["", "value", "json", "list", "model"]), max_size=60),
    rows_per_part=st.integers(1, 70),
)
def test_every_line_is_either_scored_or_set_aside(house, picky, tmp_path, bad, rows_per_part):
    texts = {
        "": '{"id": %d, "a": 1, "b": 2, "l": [1]}',
        "value": '{"id": %d, "a": "no", "b": 2}',
        "json": '{"id": %d',
        "list": '{"id": %d, "a": 1, "b": 2, "l": [{}, 1]}',
        "model": '{"id": %d, "a": 13, "b": 2}',
    }
    lines = [texts[kind] % place for place, kind in enumerate(bad)]
    tail = '{"id": -1, "a": 1, "b": 2, "l": [2]}'
    result = score(house, picky, tmp_path, "\n".join([*lines, tail]), "out.parquet", rows_per_part=rows_per_part)
    is_bad = [bool(kind) and (kind != "list") for kind in bad]
    assert read(tmp_path / "out.parquet")["id"].to_pylist() == [
        *(place for place, each in enumerate(is_bad) if not each),
        -1,
    ]
    assert result.rejected == sum(is_bad)
    if result.rejected:
        rejected = pq.read_table(tmp_path / "out.rejected.parquet")["rejected_row"].to_pylist()
        assert rejected == [place for place, each in enumerate(is_bad) if each]
