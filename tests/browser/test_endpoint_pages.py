"""Endpoints as a person finds them: on the live page when there are several, and each on a page of its own."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import Lab

pytestmark = pytest.mark.browser
Look = Callable[..., Page]


def test_the_live_page_names_every_endpoint_and_leads_to_it(look: Look, lab: Lab) -> None:
    page = look("/")
    row = page.locator("#endpoints").get_by_role("row", name="surge")
    expect(row).to_contain_text("surge/1 75 %")
    expect(row).to_contain_text("surge/2 25 %")
    expect(page.get_by_role("row", name="wait")).to_contain_text("nobody yet")
    row.get_by_role("link", name="canary 25 %").click()
    expect(page.get_by_role("heading", name="surge", exact=True)).to_be_visible()
    assert page.url.endswith(f"/endpoints/surge#{lab.platform.rollout.ls('surge')[0].id}")


def test_an_endpoint_that_comes_later_is_shown_without_a_reload(look: Look, lab: Lab) -> None:
    page = look("/")
    expect(page.get_by_role("row", name="wait")).to_be_visible()
    lab.platform.serving.create_endpoint("later")
    expect(page.get_by_role("row", name="later")).to_be_visible()


def test_an_endpoints_page_leads_to_its_versions_and_they_lead_back(look: Look, lab: Lab) -> None:
    page = look("/endpoints/surge")
    expect(page.get_by_text("tidewheel rollback surge")).to_be_visible()
    expect(page.get_by_text("timeout", exact=True)).to_be_visible()
    expect(page.locator("dd", has_text="200 ms")).to_contain_text("set")
    page.get_by_role("link", name="surge/2").click()
    expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    page.get_by_role("link", name="answers surge").click()
    expect(page.get_by_role("heading", name="surge", exact=True)).to_be_visible()


def test_an_endpoint_that_is_not_there_is_said_on_a_page(lab: Lab) -> None:
    answer = httpx.get(f"{lab.address}/endpoints/typo")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "There is no endpoint &#39;typo&#39;" in answer.text
