"""What a person sees, with and without JavaScript, by eye, by key and by ear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.browser.conftest import Story

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(visit: Callable[..., Page], width: int, dark: bool) -> None:
    page = visit("/", width=width, dark=dark)
    page.wait_for_selector("#plot-contest canvas")
    for summary in page.locator("details summary").all()[:3]:
        summary.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_everything_can_be_read_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit("/", javascript=False)
    for words in (
        "Version 4 answers 25 % of the traffic",
        "75 %",
        "+3.1 %",
        "evidence 13.6 of 13.8",
        "accept_rate_1h",
        "Version 2 rolled back",
        "2026-11-25 18:42:07 UTC",
    ):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.locator(".canvas").first).to_be_hidden()


def test_a_decision_opens_by_key_and_stays_open_when_the_page_moves(visit: Callable[..., Page], told: Story) -> None:
    page = visit("/")
    summary = page.locator("#why-1204 summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#why-1204 .facts")).to_be_visible()
    newest = told.now.timeline[0]
    event = replace(newest, seq=1_207, id="evt_new", title="Version 4 is promoted", outcome="good")
    told.now = replace(told.now, timeline=(event, *told.now.timeline[:-1]))
    expect(page.get_by_text("Version 4 is promoted")).to_be_visible()
    expect(page.locator("#why-1204 .facts")).to_be_visible()
    expect(page.locator("#ask-1204")).to_be_focused()


def test_the_page_follows_the_loop_and_says_so_aloud(visit: Callable[..., Page], told: Story) -> None:
    page = visit("/")
    assert told.now.loop is not None
    told.now = replace(told.now, loop=replace(told.now.loop, sentence="Version 4 is champion."))
    expect(page.locator("#state .sentence")).to_have_text("Version 4 is champion.")
    expect(page.get_by_role("status")).to_have_text("Version 4 is champion.")


def test_the_traffic_split_moves_as_the_rollout_does(visit: Callable[..., Page], told: Story) -> None:
    page = visit("/")
    assert told.now.traffic is not None
    champion, candidate, _ = told.now.traffic.arms
    arms = (replace(champion, percent=50.0), replace(candidate, percent=50.0))
    told.now = replace(told.now, traffic=replace(told.now.traffic, arms=arms))
    expect(page.locator("rect.candidate")).to_have_attribute("width", "50%")


def test_times_are_in_the_readers_zone_with_utc_on_hover(visit: Callable[..., Page]) -> None:
    page = visit("/")
    time = page.locator("#event-1204 time")
    expect(time).to_have_attribute("title", "2026-11-25 18:42:07 UTC")
    expect(time).not_to_contain_text("UTC")


def test_a_kind_of_event_can_be_left_out(visit: Callable[..., Page]) -> None:
    page = visit("/")
    page.get_by_role("checkbox", name="incident").uncheck()
    expect(page.locator(".event.incident").first).to_be_hidden()
    expect(page.locator(".event.drift").first).to_be_visible()


def test_a_chart_keeps_its_canvas_while_its_points_change(visit: Callable[..., Page], told: Story) -> None:
    page = visit("/")
    page.wait_for_selector("#plot-contest canvas")
    page.evaluate("document.querySelector('#plot-contest canvas').dataset.kept = 'yes'")
    assert told.now.contest is not None
    told.now = replace(told.now, contest=replace(told.now.contest, estimate=0.05))
    expect(page.locator("#contest .headline")).to_contain_text("+5.0 %")
    expect(page.locator("#plot-contest canvas[data-kept=yes]")).to_have_count(1)


def test_the_reader_is_told_when_the_server_is_away(visit: Callable[..., Page]) -> None:
    page = visit("/", quiet=False)
    page.wait_for_selector("#link[data-state=live]")
    page.context.set_offline(True)
    page.wait_for_selector("#link[data-state=away]")
    page.context.set_offline(False)
    page.wait_for_selector("#link[data-state=live]")
