"""The grammar of filters and orders, with the vocabulary of runs."""

from __future__ import annotations

import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.base.filter_grammar import Comparison, Order, Vocabulary, parse_filter, parse_order_by
from tidewheel.base.page_tokens import page_offset, page_token

WORDS = Vocabulary(
    kinds={
        **dict.fromkeys(("metric", "metrics"), "metric"),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
        **dict.fromkeys(("tag", "tags"), "tag"),
        **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
        **dict.fromkeys(("dataset", "datasets"), "dataset"),
    },
    text_attributes=frozenset({"run_id", "run_name", "run name", "status"}),
    number_attributes=frozenset({"start_time", "Created"}),
    aliases={"Created": "start_time", "run name": "run_name"},
    listed=frozenset({"run_id"}),
    nullable=frozenset({"param", "tag"}),
    fixed={"dataset": frozenset({"name", "digest", "context"})},
    orders=frozenset({"run_id", "run_name", "start_time", "Created"}),
    order_kinds=frozenset({"metric", "param", "tag"}),
)


@pytest.mark.parametrize(
    ("text", "comparison"),
    [
        ("metrics.auc > 0.8", Comparison("metric", "auc", ">", 0.8)),
        ("metric.auc>=-1e-3", Comparison("metric", "auc", ">=", -0.001)),
        ("metrics.`val/auc at 5` <= .5", Comparison("metric", "val/auc at 5", "<=", 0.5)),
        ('params."learning rate" = "0.1"', Comparison("param", "learning rate", "=", "0.1")),
        ("parameters.depth != '6'", Comparison("param", "depth", "!=", "6")),
        ("tags.mlflow.source.name LIKE '%train.py'", Comparison("tag", "mlflow.source.name", "LIKE", "%train.py")),
        ("tag.`a.b` ilike 'X_'", Comparison("tag", "a.b", "ILIKE", "X_")),
        ("attributes.status = 'FINISHED'", Comparison("attribute", "status", "=", "FINISHED")),
        ("start_time < 1700000000000", Comparison("attribute", "start_time", "<", 1700000000000)),
        ("Created > 1", Comparison("attribute", "start_time", ">", 1)),
        ("`run name` = 'x'", Comparison("attribute", "run_name", "=", "x")),
        ("attr.`run name` = 'x'", Comparison("attribute", "run_name", "=", "x")),
        ("run_id IN ('a', \"b\",)", Comparison("attribute", "run_id", "IN", ("a", "b"))),
        ("run_id not in ('a')", Comparison("attribute", "run_id", "NOT IN", ("a",))),
        ("datasets.name = 'rides'", Comparison("dataset", "name", "=", "rides")),
        ("dataset.context IN ('train')", Comparison("dataset", "context", "IN", ("train",))),
        ("params.depth IS NULL", Comparison("param", "depth", "IS NULL", None)),
        ("tags.`a b` is not null", Comparison("tag", "a b", "IS NOT NULL", None)),
        ("tags.who = 'O''Hara AND co'", Comparison("tag", "who", "=", "O'Hara AND co")),
    ],
)
def test_a_comparison_is_read_with_its_kind_key_and_value(text: str, comparison: Comparison) -> None:
    assert parse_filter(text, WORDS) == [comparison]


def test_comparisons_are_joined_by_and_in_any_case() -> None:
    found = parse_filter("  metrics.auc > 0.5 and params.depth = '6'\n AND status != 'FAILED' ", WORDS)
    assert [comparison.key for comparison in found] == ["auc", "depth", "status"]


@pytest.mark.parametrize("text", ["", "   ", None])
def test_an_empty_filter_has_no_comparisons(text: str | None) -> None:
    assert parse_filter(text, WORDS) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("params.depth = '6' OR params.depth = '7'", "Invalid clause(s) in filter string: 'OR"),
        ("params.depth = '6' params.rate = '7'", "Invalid clause(s) in filter string"),
        ("params.depth", "Invalid clause(s) in filter string"),
        ("params.learning-rate = '6'", "Invalid clause(s) in filter string: '-rate"),
        ("params.depth = 6", "Expected a quoted string value for param"),
        ("params.depth = six", "Expected a quoted string value for param"),
        ("params.depth = 'six", "Expected a quoted string value for param"),
        ("params.depth > '6'", "Invalid comparator '>' not one of"),
        ("params.depth == '6'", "Invalid comparator '==' not one of"),
        ("params.depth NOT LIKE '6'", "Invalid comparator 'NOT LIKE' not one of"),
        ("params.depth IN ('6')", "Only ['run_id'] attributes support comparison with a list"),
        ("run_id IN ()", "ill-formed list"),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("run_id IN (1)", "ill-formed list"),
        ("metrics.auc = '0.1'", "Expected numeric value type for metric. Found '0.1'"),
        ("metrics.auc > 1x", "Expected numeric value type for metric"),
        ("metrics.auc LIKE 'x'", "Invalid comparator 'LIKE' not one of"),
        ("metrics.auc IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("start_time > '5'", "Expected numeric value type for numeric attribute: start_time"),
        ("colour = 'red'", "Invalid attribute key 'colour' specified. Valid keys are"),
        ("models.a = 'red'", "Invalid entity type 'models'. Valid values are"),
        ("dataset.colour = 'red'", "Invalid dataset key 'colour' specified. Valid keys are"),
        ("params.a = 'b'; params.a = 'b'", "Invalid clause(s) in filter string"),
    ],
)
def test_what_is_no_filter_is_refused_in_mlflows_words(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(text, WORDS)
    assert words in caught.value.message
    assert caught.value.fix


def test_a_filter_has_a_longest_length() -> None:
    with pytest.raises(InvalidInput, match="more than 200 comparisons"):
        parse_filter(" AND ".join(["metrics.a > 1"] * 201), WORDS)


@pytest.mark.parametrize(
    ("clause", "order"),
    [
        ("metrics.auc DESC", Order("metric", "auc", False)),
        ("metrics.`val auc` asc", Order("metric", "val auc", True)),
        ('params."learning rate"', Order("param", "learning rate", True)),
        ("tags.mlflow.user desc", Order("tag", "mlflow.user", False)),
        ("start_time", Order("attribute", "start_time", True)),
        ("attribute.Created  DESC ", Order("attribute", "start_time", False)),
    ],
)
def test_an_order_is_read_with_its_direction(clause: str, order: Order) -> None:
    assert parse_order_by([clause], WORDS) == [order]


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("", "Invalid order_by clause ''. Could not be parsed."),
        ("metrics.auc DESC NULLS", "Invalid order_by clause 'metrics.auc DESC NULLS'. Could not be parsed."),
        ("metrics.auc dsc", "Invalid ordering key in order_by clause 'metrics.auc dsc'."),
        ("colour", "Invalid attribute key 'colour' specified"),
        ("dataset.name", "Invalid order_by entity type 'dataset'"),
    ],
)
def test_what_is_no_order_is_refused_in_mlflows_words(clause: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_order_by([clause], WORDS)
    assert words in caught.value.message


def test_a_key_is_sorted_by_once() -> None:
    with pytest.raises(InvalidInput, match="duplicate fields"):
        parse_order_by(["start_time", "Created DESC"], WORDS)


def test_a_page_token_is_handed_back_as_it_was() -> None:
    assert page_offset(page_token(1000)) == 1000
    assert page_offset("") == page_offset(None) == 0


@pytest.mark.parametrize("token", ["!", "bm9uZQ==", "e30=", page_token(-1), page_token(2**60)])
def test_a_token_of_another_make_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid page token"):
        page_offset(token)


def test_a_number_of_thousands_of_digits_is_refused():
    for filter_ in ("attributes.start_time > " + "9" * 5000, "metrics.auc < 0." + "1" * 5000):
        with pytest.raises(InvalidInput, match=r"has 500\d digits"):
            parse_filter(filter_, WORDS)
