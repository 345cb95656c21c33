"""Notebooks draw runs, pages of runs and comparisons; what runs say is text there, never markup."""

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from tidewheel.tracking import Run, RunComparison, RunPage

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'&"


def run(text="surge", **values):
    about = {"id": text, "experiment_id": "1", "experiment": text, "name": text, "user": text, "status": "FINISHED"}
    about |= {"lifecycle_stage": "active", "started_at": BEGAN, "artifact_uri": ""}
    return Run(**{**about, **values})


def shown_in_every_way(text):
    one = run(text, params={text: text}, metrics={text: float("nan")}, tags={text: text})
    other = dataclasses.replace(one, id="2", params={text: "other"})
    compared = RunComparison((text, "2"), {text: (text, None)}, {text: (text, "x")}, {text: (1.0, None)})
    return [one._repr_html_(), RunPage([one, other])._repr_html_(), compared._repr_html_()]


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", include_characters="<>&\"'"), min_size=1))
def test_no_text_becomes_markup(text):
    harmless = shown_in_every_way("x")
    for html, plain in zip(shown_in_every_way(text), harmless, strict=True):
        assert html.count("<") == plain.count("<")
        assert html.count(">") == plain.count(">")
        assert html.count('"') == plain.count('"')


def test_a_run_shows_how_it_went():
    html = run(ended_at=BEGAN + timedelta(seconds=3), params={"depth": "6"}, metrics={"auc": 0.75})._repr_html_()
    for text in ("✓ finished", "3.0 s", "depth", "0.75"):
        assert text in html


def test_a_page_shows_differing_params_and_says_that_there_is_more():
    runs = [run("a", params={"depth": "6", "rate": "1"}), run("b", params={"depth": "7", "rate": "1"})]
    html = RunPage(runs, "next")._repr_html_()
    assert "depth" in html
    assert "rate" not in html
    assert "and more on the next page" in html
    assert "and 150 more" in RunPage([run(str(n)) for n in range(250)])._repr_html_()
    assert "more" not in RunPage(runs)._repr_html_()


@pytest.mark.parametrize("html", shown_in_every_way(EVIL))
def test_a_script_in_a_name_is_shown_and_not_run(html):
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_nouns_of_tracking_bring_no_drawing_along():
    code = "import sys, tidewheel.tracking.records; print('tidewheel.tracking.sdk.html' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
