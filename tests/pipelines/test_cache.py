"""A step with cache=True is taken from an earlier run with the same code and the same inputs, and only then."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from tidewheel.pipelines.values import ResultOf, dump, map_leaves, undump, value_hash

SOURCE = """
RATE = {rate}

@tw.step(cache=True)
def train(n):
    mark("trained")
    return n * RATE

@tw.step
def plain(n):
    mark("plain")
    return n

@tw.pipeline
def fit(n=1):
    return [train(n), train(n), plain(n)]
"""


def test_the_same_code_on_the_same_inputs_is_not_run_again(platform, execute, project, marks):
    file = project(SOURCE.format(rate=2))
    first = execute(file, "fit", n=3)
    trained = marks().count("trained")
    second = execute(file, "fit", n=3)
    assert first.result == second.result == [6, 6, 3]
    assert marks().count("trained") == trained
    assert marks().count("plain") == 2
    cached = [step.cached for step in platform.pipelines.steps(second.id)]
    assert cached == [True, True, False]
    assert execute(file, "fit", n=4).result == [8, 8, 4]
    assert marks().count("trained") > trained


def test_a_change_of_code_or_of_what_it_names_runs_again(execute, project, marks):
    file = project(SOURCE.format(rate=2))
    execute(file, "fit")
    before = marks().count("trained")
    project(SOURCE.format(rate=3))
    assert execute(file, "fit").result == [3, 3, 1]
    assert marks().count("trained") > before


class Rows:
    def __init__(self, fingerprint: str, junk: int) -> None:
        self.fingerprint, self.junk = fingerprint, junk


def test_values_with_a_fingerprint_hash_by_it():
    assert value_hash(Rows("a", 1)) == value_hash(Rows("a", 2)) != value_hash(Rows("b", 1))


def test_tables_hash_by_content_however_they_are_chunked():
    whole = pa.table({"a": [1, 2, 3, 4]})
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert value_hash(whole) == value_hash(chunked)
    assert value_hash(whole) != value_hash(pa.table({"a": [1, 2, 3, 5]}))
    assert value_hash(whole) != value_hash(pa.table({"b": [1, 2, 3, 4]}))


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), ("1", 1), ((1,), [1]), (None, "None"), ({"a": 1}, {"a": 2}), (b"a", "a")]
)
def test_values_that_differ_hash_differently(one, other):
    assert value_hash(one) != value_hash(other)


plain = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(allow_nan=False) | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(plain)
def test_values_come_back_from_their_pickle_and_hash_the_same(value):
    again = undump(dump(value, "it"))
    assert again == value
    assert value_hash(again) == value_hash(value)
    assert map_leaves(value, lambda leaf: leaf) == value


def test_dicts_hash_the_same_in_any_order():
    assert value_hash({"a": 1, "b": [2]}) == value_hash({"b": [2], "a": 1})


def test_arrays_instants_and_results_have_a_hash():
    assert value_hash(np.arange(3)) == value_hash(np.arange(3)) != value_hash(np.arange(4))
    day = datetime.timedelta(days=1)
    assert value_hash(day) != value_hash(2 * day)
    assert value_hash(ResultOf("d1", "h")) == value_hash(ResultOf("d2", "h"))
