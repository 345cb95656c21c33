"""Durations, sizes and instants as people write them."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import format_duration, from_us, parse_bytes, parse_duration, parse_instant, to_us


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604800), ("250ms", 0.25), ("1.5h", 5400)]
)
def test_a_duration_is_a_run_of_numbers_with_units(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "15 m", "-5m", "1y", "0s", "5m!"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(InvalidInput, match="15m"):
        parse_duration(text)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))
def test_microseconds_keep_an_instant_exactly(at):
    at = at.replace(tzinfo=UTC)
    assert from_us(to_us(at)) == at


@given(st.text(max_size=20))
@pytest.mark.parametrize("parse", [parse_bytes, parse_instant, parse_duration])
def test_any_text_is_taken_or_refused(parse, text):
    with contextlib.suppress(InvalidInput):
        parse(text)


def test_a_size_knows_binary_and_decimal_units():
    assert parse_bytes("64MiB") == 64 * 2**20
    assert parse_bytes("10GB") == 10 * 10**9


def test_a_duration_is_told_by_its_two_largest_units():
    assert format_duration(timedelta(days=2, hours=3, minutes=4)) == "2d 3h"
    assert format_duration(0.012) == "12ms"
