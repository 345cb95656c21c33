"""Who may speak to a worker: no page of another origin, and beyond loopback only holders of the token."""

import httpx
import pytest

from tidewheel.base.errors import NotAllowed
from tidewheel.base.settings import Settings
from tidewheel.serving.supervise import WorkerGroup
from tidewheel.serving.worker.guard import require_token


@pytest.fixture
def guarded(tmp_path):
    settings = Settings(
        {"serving.token": "s3cret", "serving.workers": 1, "serving.allowed_origins": "https://a.example"}
    )
    group = WorkerGroup(tmp_path, settings, port=0)
    group.start()
    while not group.ready():
        assert group.look() == []
    yield group.url
    group.stop()


def test_beyond_loopback_workers_need_a_token(tmp_path):
    with pytest.raises(NotAllowed, match=r"0\.0\.0\.0"):
        WorkerGroup(tmp_path, Settings(), host="0.0.0.0", port=0)
    require_token("0.0.0.0", Settings({"serving.token": "s3cret"}))
    for host in ("127.0.0.1", "::1", "localhost"):
        require_token(host, Settings())


def test_a_token_is_asked_for_everywhere_but_at_health(guarded):
    assert httpx.get(f"{guarded}/v2/health/live").status_code == 200
    refused = httpx.get(f"{guarded}/v2")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{guarded}/v2", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(f"{guarded}/v2", headers={"authorization": "Bearer s3cret"}).status_code == 200


def test_a_web_page_of_another_origin_can_post_no_label(guarded):
    body, token = b'{"labels": []}', {"authorization": "Bearer s3cret"}
    address = f"{guarded}/api/v1/serving/labels"
    assert httpx.post(address, content=body, headers={**token, "origin": "http://evil.example"}).status_code == 403
    assert httpx.post(address, content=body, headers={**token, "origin": "https://a.example"}).status_code != 403
