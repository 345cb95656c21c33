"""The pages below a path of somebody else's host, as a reverse proxy shows them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from tests.browser.lab import Lab, furnish
from tests.browser.pages import pages
from tests.browser.prefix import PREFIX, BehindPrefix, Way
from tests.server.listening import listening

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build

pytestmark = pytest.mark.browser
_HREFS = """links => [...new Set(links.map(  // those of drawings, too, whose `href` is no text
    link => new URL(link.getAttribute("href"), document.baseURI).href.split("#")[0]))]"""


@pytest.mark.parametrize("way", get_args(Way))
def test_every_page_finds_its_files_and_neighbours_below_a_prefix(browser: Browser, tmp_path: Path, way: Way) -> None:
    with open_platform(tmp_path / "home", Settings(environ={})) as platform:
        runs, experiment_id = furnish(platform, tmp_path)
        with listening(BehindPrefix(build(platform), way)) as url, browser.new_context() as context:
            lab = Lab(f"{url}{PREFIX}", platform, runs, experiment_id)
            page = context.new_page()
            missing: list[str] = []
            page.on("response", lambda answer: _note(answer, missing))
            for path in pages(lab).values():
                page.goto(lab.address + path, wait_until="networkidle")
                _follow_links(page, lab.address)
            _keep_a_view(page, lab)
            assert missing == []
            assert page.goto(f"{lab.address}/models/surge/99") is not None  # an error's page is as deep as any
            assert page.request.get(page.locator("link[rel=stylesheet]").last.evaluate("link => link.href")).ok


def _note(answer: Response, missing: list[str]) -> None:
    if answer.status >= 400 and not answer.url.endswith("/models/surge/99"):
        missing.append(f"{answer.status} {answer.url}")


def _follow_links(page: Page, address: str) -> None:
    hrefs = page.eval_on_selector_all("a[href]", _HREFS)
    assert hrefs
    for href in hrefs:
        assert href.startswith(address), f"{page.url} leads out of the prefix to {href}"
        assert page.request.get(href).ok, f"{page.url} leads to {href}"


def _keep_a_view(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.address}/experiments/{lab.experiment_id}")
    page.get_by_text("Save view", exact=True).click()
    page.get_by_label("Keep this filter").fill("all of them")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(f"{lab.address}/experiments/{lab.experiment_id}?view=*")
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_role("link", name="all of them")).to_have_count(0)
    assert page.url == f"{lab.address}/experiments/{lab.experiment_id}"
