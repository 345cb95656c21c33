"""Numbers are written with a unit and no more digits than they deserve."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from tidewheel.server.pages.figures import change, figure, milliseconds, moment, percent, timed


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0"),
        (1234.5, "1,234"),
        (12.34, "12.3"),
        (0.03125, "0.0312"),
        (-2.5, "−2.50"),
    ],
)
def test_a_figure_has_three_digits(value: float | None, told: str) -> None:
    assert figure(value) == told


@pytest.mark.parametrize(("part", "told"), [(0.031, "+3.1"), (-0.0812, "−8.1"), (0.00001, "±0.0"), (1.5, "+150")])
def test_a_change_has_its_sign(part: float, told: str) -> None:
    assert change(part) == f"{told}\N{NO-BREAK SPACE}%"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_breaks_the_page(value: float) -> None:
    for written in (figure(value), change(value), milliseconds(value)):
        assert written
        assert "nan" not in written
        assert "inf" not in written


def test_shares_and_moments() -> None:
    assert percent(25.0) == "25\N{NO-BREAK SPACE}%"
    at = datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert moment(at) == (
        '<time datetime="2026-01-31T06:00:00.000Z" title="2026-01-31 06:00:00 UTC">2026-01-31 06:00:00 UTC</time>'
    )


def test_instants_in_a_text_become_times_and_the_rest_stays_text() -> None:
    written = timed("<b> since 2026-03-04 09:10 UTC & 2026-03-04 09:10:07.5+00:00, not 2026-03-04 09:10")
    assert written.count("<time ") == 2
    assert 'datetime="2026-03-04T09:10:00.000Z"' in written
    assert 'datetime="2026-03-04T09:10:07.000Z"' in written
    assert written.startswith("&lt;b&gt; since")
    assert written.endswith(", not 2026-03-04 09:10")


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    assert "<script" not in timed(text + "<script>")
