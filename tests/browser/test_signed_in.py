"""Pages of an install whose doors ask for tokens: who may keep a view, and who may only look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import Lab

pytestmark = pytest.mark.browser


def sign_in(page: Page, lab: Lab, token: str) -> None:
    """Paste the token, and go to the table of runs."""
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{lab.address}/")
    page.goto(f"{lab.address}/experiments/{lab.experiment_id}")


def save(page: Page, name: str) -> None:
    """Keep the table as it is."""
    page.get_by_text("Save view", exact=True).click()
    page.get_by_label("Keep this filter").fill(name)
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_developer_signs_in_and_keeps_and_deletes_a_view(look: Callable[..., Page], lab: Lab) -> None:
    developer = lab.platform.governance.create_token("ada", "developer").secret
    page = look(f"/experiments/{lab.experiment_id}", quiet=False)
    expect(page.get_by_role("heading", name="This install asks for a token")).to_be_visible()
    sign_in(page, lab, developer)
    save(page, "mine")
    expect(page.get_by_role("link", name="mine")).to_have_attribute("title", "saved by ada")
    assert [view.saved_by for view in lab.platform.views.views(lab.experiment_id)] == ["ada"]
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_role("link", name="mine")).to_have_count(0)
    assert lab.platform.views.views(lab.experiment_id) == []


def test_a_viewer_looks_but_keeps_no_view(look: Callable[..., Page], lab: Lab) -> None:
    viewer = lab.platform.governance.create_token("vera", "viewer").secret
    page = look(f"/experiments/{lab.experiment_id}", quiet=False)
    sign_in(page, lab, viewer)
    expect(page.locator("tbody tr")).to_have_count(3)
    save(page, "hers")
    expect(page.locator("main")).to_contain_text("vera is a viewer")
    assert lab.platform.views.views(lab.experiment_id) == []
