"""What was uploaded is shown as it is, and a form that no page of ours sent changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.server.app import build


@pytest.fixture
def pages(platform: Platform) -> Iterator[httpx.Client]:
    with listening(build(platform)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def test_json_that_no_page_can_hold_is_shown_as_it_was_written(pages: httpx.Client, platform: Platform) -> None:
    run = platform.tracking.start_run("odd")
    platform.tracking.log_artifact(run.id, b'{"half": "\\ud800"}', "half.json")
    page = pages.get(f"/runs/{run.id}/artifacts?path=half.json")
    assert page.status_code == 200
    assert "\\ud800" in page.text


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil.example"])
def test_a_form_of_another_page_saves_no_view(pages: httpx.Client, platform: Platform, origin: str) -> None:
    experiment = platform.experiments.create("trees")
    sent = pages.post(f"/experiments/{experiment.id}/views", data={"name": "mine"}, headers={"origin": origin})
    assert sent.status_code == 403
    assert platform.views.views(experiment.id) == []
