"""Bodies of the API are JSON whatever their header says, and other sites still cannot send any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from pydantic import AfterValidator
from tests.server.listening import listening

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server import answers
from tidewheel.server.app import build

ROWS = "/api/v1/data/datasets/rides/rows"
BODY = b'{"rows": [{"zone": "a", "wait_s": 30.0}]}'
TYPES = [None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/json"]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        open_platform(tmp_path, Settings(environ={})) as platform,
        listening(build(platform)) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_is_read_as_json_whatever_its_header(http: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = http.post(ROWS, content=BODY, headers=headers)
    assert (answer.status_code, answer.json()["rows"]) == (200, 1)


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_another_site_is_refused_with_every_header(http: httpx.Client, content_type: str | None, origin: str) -> None:
    headers = {"origin": origin} | ({} if content_type is None else {"content-type": content_type})
    assert http.post(ROWS, content=BODY, headers=headers).status_code == 403
    assert http.get("/api/v1/data/datasets").json() == []


def test_a_rebound_name_is_refused(http: httpx.Client) -> None:
    headers = {"host": "evil.example:7600", "content-type": "text/plain"}
    assert http.post(ROWS, content=BODY, headers=headers).status_code == 403


def test_a_broken_body_is_said_to_be_no_json(http: httpx.Client) -> None:
    error = http.post(ROWS, content=b"rows=1", headers={"content-type": "text/plain"}).json()["error"]
    assert error["code"] == "invalid_input"
    assert "The body is not JSON" in error["message"]


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def take(number: Annotated[int, AfterValidator(even)]) -> int:
    return number


def test_a_refused_value_is_said_in_plain_words() -> None:
    app = FastAPI()
    answers.install(app)
    app.add_api_route("/numbers", take)
    with listening(app) as url:
        error = httpx.get(f"{url}/numbers", params={"number": 3}).json()["error"]
    assert error["message"] == "3 is odd."
    assert error["where"] == "query.number"
