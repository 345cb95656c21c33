"""What goes wrong before a call is made, or within it, reaches MLflow's clients in MLflow's shape."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.server.listening import listening

from tidewheel.app import Platform, open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build

CREATE = "/api/2.0/mlflow/experiments/create"
ADDRESSES = [CREATE, f"/{CREATE}", CREATE.replace("/api", "/ajax-api")]


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[httpx.Client]:
    settings = Settings({"server.max_body_bytes": 1000}, environ={})
    with (
        open_platform(tmp_path / "bounded", settings) as platform,
        listening(build(platform)) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("body", [b"x" * 2000, [b"x" * 800, b"x" * 800]], ids=["announced", "streamed"])
def test_a_body_over_the_limit_is_refused_as_mlflow_refuses(
    bounded: httpx.Client, address: str, body: bytes | list[bytes]
) -> None:
    content = body if isinstance(body, bytes) else iter(body)
    url = f"{str(bounded.base_url).rstrip('/')}{address}"
    refused = bounded.post(url, content=content, headers={"content-type": "application/json"})
    assert refused.status_code == 413
    assert refused.json().keys() == {"error_code", "message"}
    assert "server.max_body_bytes" in refused.json()["message"]


def test_an_unforeseen_failure_is_told_as_mlflow_tells_it(
    platform: Platform, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(platform.experiments, "create", fail)
    monkeypatch.setattr(platform.artifacts, "list", fail)
    for broken in (
        http.post(CREATE, json={"name": "a"}),
        http.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": ""}),
    ):
        assert (broken.status_code, broken.json()["error_code"]) == (500, "INTERNAL_ERROR")
        assert "secret" not in broken.text


def test_whoever_may_not_come_in_is_refused_before_a_long_body_is_read(platform: Platform, http: httpx.Client) -> None:
    platform.governance.create_token("owner", "admin")
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=10) as client:
        head = (
            f"POST {CREATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n"
        )
        client.sendall(f"{head}\r\n{{".encode())  # and no more of the body
        assert client.recv(100).startswith(b"HTTP/1.1 401 ")
