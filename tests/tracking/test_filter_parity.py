"""Filters and orders mean here what they mean to MLflow's own parser, where that is installed."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.base.errors import InvalidInput
from tidewheel.base.filter_grammar import parse_filter, parse_order_by
from tidewheel.tracking.run_search_store import RUN_WORDS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    search_utils = pytest.importorskip("mlflow.utils.search_utils")
    MlflowException = pytest.importorskip("mlflow.exceptions").MlflowException

WORD = st.from_regex(r"[a-z][a-z_]{2,8}x", fullmatch=True)
QUOTED = st.from_regex(r"`[a-z][a-z ./-]{1,8}[a-z]`", fullmatch=True)
KIND = st.sampled_from(
    ["metrics", "metric", "params", "param", "parameters", "tags", "tag", "dataset", "datasets", "attr"]
)
ATTRIBUTE = st.sampled_from(
    [
        "status",
        "run_id",
        "run_name",
        "user_id",
        "start_time",
        "end_time",
        "Created",
        "`run name`",
        "artifact_uri",
        "colour",
    ]
)
DATASET = st.sampled_from(["dataset.name", "datasets.digest", "dataset.context", "dataset.colour"])
IDENTIFIER = st.one_of(
    st.builds("{}.{}".format, KIND, st.one_of(WORD, QUOTED)),
    ATTRIBUTE,
    st.builds("attributes.{}".format, ATTRIBUTE),
    DATASET,
)
TEXT = st.from_regex(r"[A-Za-z0-9 %_.:-]{0,8}", fullmatch=True)
VALUE = st.one_of(
    st.builds("'{}'".format, TEXT),
    st.builds('"{}"'.format, TEXT),
    st.integers(-1000, 10**12).map(str),
    st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: f"{value:.4f}"),
)
LIST = st.lists(st.builds("'{}'".format, TEXT), min_size=1, max_size=3).map(lambda items: f"({', '.join(items)})")
OPERATOR = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "like", "ilike"])
COMPARISON = st.one_of(
    st.builds("{} {} {}".format, IDENTIFIER, OPERATOR, VALUE),
    st.builds("{} {} {}".format, IDENTIFIER, st.sampled_from(["IN", "NOT IN", "in"]), LIST),
    st.builds("{} {}".format, IDENTIFIER, st.sampled_from(["IS NULL", "IS NOT NULL", "is null"])),
)
FILTER = st.lists(COMPARISON, max_size=3).map(" AND ".join)


def theirs(text: str) -> list[tuple[object, ...]] | None:
    """What MLflow reads, as ours would be written; None where it refuses."""
    utils = search_utils.SearchUtils
    found: list[tuple[object, ...]] = []
    try:
        for part in utils.parse_search_filter(text):
            kind, key, operator = part["type"], utils.translate_key_alias(part["key"]), part["comparator"].upper()
            known = (
                utils.is_metric(kind, operator)
                or utils.is_param(kind, operator)
                or utils.is_tag(kind, operator)
                or utils.is_dataset(kind, operator)
                or utils.is_attribute(kind, key, operator)
            )
            if not known:
                return None
            value = float(part["value"]) if kind == "metric" else part["value"]
            if operator in {"IN", "NOT IN"} and not isinstance(value, tuple):
                return None
            found.append(("param" if kind == "parameter" else kind, key, operator, value))
    except MlflowException:
        return None
    return found


def ours(text: str) -> list[tuple[object, ...]] | None:
    try:
        return [(c.kind, c.key, c.operator, c.value) for c in parse_filter(text, RUN_WORDS)]
    except InvalidInput:
        return None


@settings(max_examples=300, deadline=None)
@given(FILTER)
def test_a_filter_is_taken_or_refused_and_read_as_mlflow_does(text: str) -> None:
    assert ours(text) == theirs(text)


@settings(max_examples=200, deadline=None)
@given(IDENTIFIER, st.sampled_from(["", " ASC", " DESC", " desc", " down"]))
def test_an_order_is_taken_or_refused_and_read_as_mlflow_does(identifier: str, direction: str) -> None:
    clause = identifier + direction
    utils = search_utils.SearchUtils
    try:
        kind, key, ascending = utils.parse_order_by_for_search_runs(clause)
        expected = (
            None
            if kind == "dataset"
            else ({"parameter": "param"}.get(kind, kind), utils.translate_key_alias(key), ascending)
        )
    except MlflowException:
        expected = None
    try:
        found = next((o.kind, o.key, o.ascending) for o in parse_order_by([clause], RUN_WORDS))
    except InvalidInput:
        found = None
    assert found == expected
