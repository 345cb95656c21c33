"""HEAD on a page is answered as GET, without the body: what checks links and addresses asks so."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.browser.lab import Lab, furnish
from tests.browser.pages import pages
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.server.app import build


def test_every_page_answers_head_as_get_without_its_body(platform: Platform, tmp_path: Path) -> None:
    runs, experiment_id = furnish(platform, tmp_path / "lab")
    with listening(build(platform)) as url, httpx.Client(base_url=url) as web:
        for name, path in {**pages(Lab(url, platform, runs, experiment_id)), "docs": "/docs"}.items():
            asked, read = web.head(path), web.get(path)
            assert (asked.status_code, read.status_code) == (200, 200), name
            assert asked.content == b"", name
            assert asked.headers["Content-Type"] == read.headers["Content-Type"], name
        assert web.head("/endpoints/typo").status_code == 404
        assert web.head("/sign-in").status_code == 405
