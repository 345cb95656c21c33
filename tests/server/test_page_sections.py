"""The page's sections answer with what they show, and with 304 while that has not changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.server.library import Reader, TownLibrary
from tests.server.listening import listening
from tests.server.story import story

from tidewheel.server import answers
from tidewheel.server.pages.assets import STATIC, assets
from tidewheel.server.pages.render import SECTIONS, page, section
from tidewheel.server.pages.routes import router
from tidewheel.server.pages.view import LiveView


@dataclass(slots=True)
class Story:
    now: LiveView

    def view(self, loop: str | None) -> LiveView:
        return self.now


@pytest.fixture
def told() -> Story:
    return Story(story())


@pytest.fixture
def town(tmp_path: Path) -> Iterator[TownLibrary]:
    town = TownLibrary(tmp_path)
    yield town
    town.metadata.close()


@pytest.fixture
def web(told: Story, town: TownLibrary) -> Iterator[httpx.Client]:
    app = FastAPI(docs_url=None)
    app.state.platform, app.state.needs_token, app.state.live = town, False, told
    answers.install(app)
    app.include_router(router)
    with listening(app) as url, httpx.Client(base_url=url) as web:
        yield web


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_has_not_changed_is_not_sent_again(web: httpx.Client, name: str) -> None:
    first = web.get(f"/live/{name}")
    assert first.status_code == 200
    again = web.get(f"/live/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_section_asks_for_itself_with_the_tag_of_what_it_shows(web: httpx.Client) -> None:
    first = web.get("/live/state")
    asked = re.search(r'"If-None-Match": "([^}]*)"}', first.text.replace("\\", ""))
    assert asked is not None
    assert asked[1] == first.headers["etag"]


def test_only_the_section_that_changed_gets_a_new_tag(told: Story) -> None:
    before = {name: section(told.now, name)[1] for name in SECTIONS}
    assert told.now.traffic is not None
    told.now = replace(told.now, traffic=replace(told.now.traffic, requests=1_000_000))
    after = {name: section(told.now, name)[1] for name in SECTIONS}
    assert {name for name in SECTIONS if before[name] != after[name]} == {"traffic"}


def test_an_unknown_section_is_not_found(web: httpx.Client) -> None:
    assert web.get("/live/weather").status_code == 404


def test_static_files_are_kept_for_ever_under_their_hash(web: httpx.Client) -> None:
    for name, kept in assets().items():
        answer = web.get(f"/static/{name}?v={kept.etag}")
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert web.get("/static/../routes.py").status_code == 404
    assert web.get("/static/%2e%2e/routes.py").status_code == 404


def test_the_vendored_files_are_those_whose_hashes_are_written_down() -> None:
    written = (STATIC / "vendor" / "README.md").read_text()
    found = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", written, re.MULTILINE))
    files = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in {".js", ".css"}}
    assert set(found) == files
    for name, digest in found.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


def test_the_page_has_no_absolute_address_and_nothing_inline() -> None:
    html = page(story())
    assert not re.search(r'(?:href|src|action|hx-get)="(?!\./|#)', html)
    assert not re.search(r"<script(?! src=)|<style| style=| on[a-z]+=", html)


def test_what_an_entry_says_is_shown_as_text_not_as_markup() -> None:
    view = story(events=1)
    evil = replace(view.timeline[0], title="<img src=x>", facts=(("<b>", "<script>alert(1)</script>"),))
    html = page(replace(view, timeline=(evil,)))
    assert "<img" not in html
    assert "<script>alert" not in html


def test_an_empty_install_says_what_would_appear() -> None:
    empty = LiveView(
        at=story().at,
        loops=(),
        loop=None,
        traffic=None,
        contest=None,
        monitors=(),
        shifts=(),
        timeline=(),
        journal_seq=0,
    )
    html = page(empty)
    for words in ("No loop yet", "The journal is empty", "No monitor has looked yet", "No candidate is being compared"):
        assert words in html


def test_with_tokens_the_page_asks_to_sign_in_and_remembers(web: httpx.Client, town: TownLibrary) -> None:
    town.governance.tokens["t1"] = Reader("vera", "viewer")
    asked = web.get("/")
    assert (asked.status_code, "sign-in" in asked.text) == (401, True)
    assert web.post("/sign-in", data={"token": "wrong"}).status_code == 401
    entered = web.post("/sign-in", data={"token": "t1"})
    assert (entered.status_code, entered.headers["location"]) == (303, "./")
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "SameSite=strict" in entered.headers["set-cookie"]
    assert web.get("/").status_code == 200
    assert web.get("/live/state").status_code == 200
