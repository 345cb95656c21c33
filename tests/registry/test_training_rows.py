"""`tw.log_model(rows=…)` takes rows in the forms that people have them in, and says what it takes of any other."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays

import tidewheel as tw
from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import InvalidInput
from tidewheel.registry import log_model
from tidewheel.registry.training_rows import numbers_of, rows_given
from tidewheel.storage import Metadata, schema, sqlite_url

pd = pytest.importorskip("pandas")


@pytest.fixture
def metadata(tmp_path):
    """One kind of database: what is kept of rows lies in blobs."""
    opened = Metadata(sqlite_url(tmp_path / "metadata.db"), SystemClock())
    schema.create_all(opened.engine)
    yield opened
    opened.close()


ROWS = np.random.default_rng(5).normal(size=(120, 2))


class Streamed:
    """Rows of a library that speaks Arrow's PyCapsule interface and nothing else of it, as Polars does."""

    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]}).__arrow_c_stream__(requested_schema)


FORMS = {
    "data frame": pd.DataFrame(ROWS, columns=["a", "b"]),
    "data frame in another order, with more": pd.DataFrame(
        {"b": ROWS[:, 1], "city": ["Rome", 3] * 60, "a": ROWS[:, 0]}, index=range(7, 127)
    ),
    "Arrow table": pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]}),
    "stream": Streamed(),
    "dict of arrays": {"a": ROWS[:, 0], "b": ROWS[:, 1]},
    "dict of lists": {"a": ROWS[:, 0].tolist(), "b": ROWS[:, 1].tolist()},
    "array": ROWS,
}


def added(rows):
    return rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("rows", FORMS.values(), ids=FORMS)
def test_rows_of_any_form_become_reference_sample_and_background(registry, rows):
    version = log_model(added, "sum", rows=rows, inputs=["a", "b"], trust=True)
    reference = registry.reference(version.id)
    assert reference.column_names == ["a", "b", "output.output"]
    np.testing.assert_array_equal(reference.column("a").to_numpy(), ROWS[:, 0])
    np.testing.assert_array_equal(reference.column("output.output").to_numpy(), ROWS.sum(axis=1))
    assert registry.sample(version.id).num_rows == 100
    assert version.commits == ()
    values = registry.explainer(version.id).explain(ROWS[:1]).values
    np.testing.assert_allclose(values[0, :, 0], ROWS[0] - ROWS.mean(axis=0), atol=0.3)


def test_a_frame_s_instants_become_the_references_and_its_gaps_are_missing_numbers(registry):
    instants = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=place) for place in range(3)]
    kinds = pd.Series([1, 2, 2], dtype="category")
    frame = pd.DataFrame({"a": [0.5, None, 2.0], "b": kinds, "at": instants})
    reference = registry.reference(log_model(added, "sum", rows=frame, inputs=["a", "b"], trust=True).id)
    assert np.isnan(reference.column("a")[1].as_py())
    assert reference.column("b").to_pylist() == [1.0, 2.0, 2.0]
    assert reference.column("at").to_pylist() == instants


def test_tensors_come_as_an_array_of_their_shape_or_by_name(registry):
    images = np.random.default_rng(1).normal(size=(4, 3, 2)).astype(np.float32)

    def brightest(tensor):
        return tensor.max(axis=(1, 2))

    for rows in (images, {"image": images}):
        version = log_model(brightest, "b", rows=rows, inputs=[tw.TensorSpec("image", (-1, 3, 2))], trust=True)
        np.testing.assert_array_equal(registry.sample(version.id).column("image")[1].as_py(), images[1])


def test_a_sample_may_be_a_frame_too(registry):
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    version = log_model(added, "sum", sample=frame, inputs=["a", "b"], trust=True)
    assert registry.sample(version.id).to_pylist() == [{"a": 1.0, "b": 2.0}]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[1.0, 2.0]], "of the type list.*data frame"),
        ("rows.parquet", "of the type str"),
        (np.zeros((3, 3)), r"shape \(3, 3\), and the model takes 2 columns"),
        (np.zeros(3), r"shape \(3,\)"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "no table"),
        ({"a": [1.0, "x"], "b": [1.0, 2.0]}, "no table"),
        ({"a": [1.0]}, r"lack the features \['b'\]"),
        (pd.DataFrame({"a": ["x"], "b": [1.0]}), "'a' of the rows is text"),
        (pd.DataFrame({"a": pd.Series(["x"], dtype="category"), "b": [1.0]}), "'a' of the rows is text"),
        (pd.DataFrame({"a": ["x", 3], "b": [1.0, 2.0]}), "'a' of the rows holds values of different types"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "Two columns of the rows are called 'a'"),
        ({"a": np.zeros((2, 2)), "b": [1.0, 2.0]}, "'a' of the rows holds lists"),
        ({"a": [datetime(2026, 1, 1, tzinfo=UTC)], "b": [1.0]}, "'a' is not numeric"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_in_words(registry, rows, says):
    with pytest.raises(InvalidInput, match=says):
        log_model(added, "sum", rows=rows, inputs=["a", "b"], trust=True)
    assert registry.models() == []


@given(
    arrays.arrays(
        strategies.sampled_from([np.float64, np.float32, np.int64, np.int8, np.bool_]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=6),
    )
)
def test_an_array_its_frame_and_its_table_are_the_same_rows(matrix):
    names = [f"x{place}" for place in range(matrix.shape[1])]
    frame = pd.DataFrame(matrix, columns=names)
    columns = {name: matrix[:, place] for place, name in enumerate(names)}
    for rows in (matrix, frame, columns, pa.table(columns)):
        table = rows_given(rows, names).table()
        found = np.column_stack([numbers_of(table, name) for name in names])
        np.testing.assert_array_equal(found, matrix.astype(np.float64))


def test_a_model_of_text_is_told_so_whether_or_not_it_comes_with_rows(registry):
    compose = pytest.importorskip("sklearn.compose")
    pytest.importorskip("skops")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    def fitted(frame):
        encoder = compose.make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
        return make_pipeline(encoder, LogisticRegression()).fit(frame, ROWS[:, 0] > 0)

    frame = pd.DataFrame({"city": ["Rome", "Oslo"] * 60, "a": ROWS[:, 0]})
    with pytest.raises(InvalidInput, match="'city' of the rows is text"):
        log_model(fitted(frame), "m", inputs=["city", "a"], rows=frame)
    with pytest.raises(InvalidInput, match=r"fails on a row of zeros.*encode that before the model"):
        log_model(fitted(frame), "m", inputs=["city", "a"])
    coded = frame.assign(city=frame["city"].map({"Oslo": 0, "Rome": 1}))
    model = fitted(coded)
    version = log_model(model, "m", inputs=["city", "a"], rows=coded)
    own = model.predict_proba(coded)[:, 1]
    np.testing.assert_allclose(registry.answers(version.id, coded.to_numpy(dtype=float)).outputs[0][:, 0], own)
