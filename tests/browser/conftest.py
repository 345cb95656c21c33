"""A real Chromium and the live page in the middle of a story. Skipped where there is no Chromium, but never on CI."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.middleware.gzip import GZipMiddleware
from tests.browser.lab import Lab, furnish
from tests.server.library import TownLibrary
from tests.server.listening import listening
from tests.server.story import story

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server import answers
from tidewheel.server.app import build
from tidewheel.server.limits import Limits, Traffic
from tidewheel.server.pages.routes import router
from tidewheel.server.pages.view import LiveView

CHROMIUM = "/usr/bin/chromium"
_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=15_000)  # a busy machine is no reason to fail


@dataclass(slots=True)
class Story:
    """What the page is told; a test changes it and the page follows."""

    now: LiveView

    def view(self, loop: str | None) -> LiveView:
        return self.now


@pytest.fixture(scope="module")  # not longer: while it runs, no other test can start an event loop
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {CHROMIUM}.")
        pytest.skip(f"There is no {CHROMIUM}.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def told() -> Story:
    return Story(story())


@pytest.fixture
def address(told: Story, tmp_path: Path) -> Iterator[str]:
    town = TownLibrary(tmp_path)
    app = FastAPI(docs_url=None, redoc_url=None)
    app.state.platform, app.state.needs_token, app.state.live = town, False, told
    answers.install(app)
    app.include_router(router)
    app.add_middleware(GZipMiddleware, minimum_size=1024)
    app.add_middleware(Limits, max_body_bytes=2000, max_artifact_bytes=2000, traffic=Traffic())
    with listening(app) as url:
        yield url
    town.metadata.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with open_platform(tmp_path / "home", Settings(environ={})) as platform:
        runs, experiment_id = furnish(platform, tmp_path)
        with listening(build(platform)) as url:
            yield Lab(url, platform, runs, experiment_id)


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Pages of the install that tells the story."""
    yield from _visits(browser, address)


@pytest.fixture
def look(browser: Browser, lab: Lab) -> Iterator[Callable[..., Page]]:
    """Pages of the laboratory."""
    yield from _visits(browser, lab.address)


def _visits(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens a page of the install: `visit("/", width=390, dark=True, javascript=False)`. Its errors fail the test,
    and so does what it writes to the console, if it is to be `quiet`."""
    errors: list[str] = []
    contexts = []

    def open_page(
        path: str = "/", *, width: int = 1280, dark: bool = False, javascript: bool = True, quiet: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if quiet:
            page.on("console", lambda message: message.type in {"error", "warning"} and errors.append(message.text))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
