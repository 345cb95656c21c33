"""Charts of metrics that were logged once or a few times, as most of autologging's are: they show steps, not times."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import Lab

from tidewheel.tracking import MetricPoint

pytestmark = pytest.mark.browser
Look = Callable[..., Page]

DRAWN = """canvas => {
    const middle = canvas.getContext("2d").getImageData(canvas.width / 2, 0, canvas.width / 4, canvas.height).data;
    const [red, green, blue] = [1, 3, 5].map(at => parseInt(tidewheel.shade(0).slice(at, at + 2), 16));
    let count = 0;
    for (let i = 0; i < middle.length; i += 4)
        count += middle[i] === red && middle[i + 1] === green && middle[i + 2] === blue;
    return count;
}"""


def chart_of(page: Page, key: str) -> None:
    page.locator(f"[data-key='{key}']").scroll_into_view_if_needed()
    page.wait_for_selector(f"[data-key='{key}'] canvas")


def middle_of(page: Page, key: str) -> tuple[float, float]:
    box = page.locator(f"[data-key='{key}'] .u-over").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_metric_that_was_logged_once_is_a_visible_point_at_its_step(look: Look, lab: Lab, dark: bool) -> None:
    lab.platform.tracking.log_metrics(lab.runs[0], [MetricPoint("accuracy", 0.97, 0)])
    page = look(f"/runs/{lab.runs[0]}", dark=dark)
    chart_of(page, "accuracy")
    assert page.locator("[data-key='accuracy'] canvas").evaluate(DRAWN) > 8
    page.mouse.move(*middle_of(page, "accuracy"))
    expect(page.locator("[data-key='accuracy'] .last")).to_have_text("0.97 at step 0")


def test_the_one_value_of_each_run_is_compared_at_its_step(look: Look, lab: Lab) -> None:
    for i, run_id in enumerate(lab.runs):
        lab.platform.tracking.log_metrics(run_id, [MetricPoint("accuracy", 0.9 + i / 100, i)])
        lab.platform.tracking.log_metrics(run_id, [MetricPoint("recall", 0.8 + i / 100, 0)])
    page = look(f"/compare?runs={','.join(lab.runs)}")
    for key, step, told in (("accuracy", "1", "tuned-1 0.91"), ("recall", "0", "tuned-2 0.82")):
        chart_of(page, key)
        page.mouse.move(*middle_of(page, key))
        legend = page.locator(f"[data-key='{key}'] .u-legend")
        expect(legend.get_by_role("row").first).to_be_visible()
        expect(legend.get_by_role("row").first).to_contain_text(re.compile(rf"^step\s*{step}\s*$"))
        expect(legend).to_contain_text(re.compile(told.replace(" ", r"\s*")))


def test_a_metric_that_was_logged_without_steps_is_drawn_over_time(look: Look, lab: Lab) -> None:
    lab.platform.tracking.log_metrics(lab.runs[0], [MetricPoint("free", i / 10, 0) for i in range(5)])
    page = look(f"/runs/{lab.runs[0]}")
    chart_of(page, "free")
    page.mouse.move(*middle_of(page, "free"))
    expect(page.locator("[data-key='free'] .last")).to_contain_text(":")


def test_no_line_of_the_parallel_coordinates_runs_through_a_number(look: Look, lab: Lab) -> None:
    page = look(f"/compare?runs={','.join(lab.runs)}")
    texts = [box for each in page.locator(".parallel .tick-text").all() if (box := each.bounding_box())]
    lines = page.locator(".parallel .upright").first.bounding_box()
    assert lines is not None
    assert len(texts) >= 6
    for text in texts:
        assert text["y"] + text["height"] <= lines["y"] + 2 or text["y"] >= lines["y"] + lines["height"] - 2
