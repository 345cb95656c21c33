"""The page is small, whole, and asks nobody but its own server."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.browser
MAX_BYTES, MAX_REQUESTS, MAX_NODES = 150_000, 20, 2_000


def test_the_first_page_keeps_its_budgets_and_asks_only_its_origin(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(f"{address}/", wait_until="load")
    page.wait_for_selector("#plot-contest canvas")
    page.wait_for_selector("#link[data-state=live]")
    first = [request for request in asked if "/live/" not in request.url]
    size_bytes = sum(sum(request.sizes().values()) for request in first)
    context.close()
    assert {urlsplit(request.url).netloc for request in asked} == {urlsplit(address).netloc}
    assert len(first) <= MAX_REQUESTS
    assert size_bytes < MAX_BYTES


def test_the_page_has_few_nodes(visit: Callable[..., Page]) -> None:
    page = visit("/")
    page.wait_for_selector("#plot-drift canvas")
    assert page.evaluate("document.querySelectorAll('*').length") < MAX_NODES


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(visit: Callable[..., Page], width: int, path: str) -> None:
    page = visit(path, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
