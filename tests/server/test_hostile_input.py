"""Whatever is sent to any address of the API, the server answers; it never fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from tests.server.listening import listening

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_platform(home, Settings(environ={})) as platform, listening(build(platform)) as url:
        yield url


@pytest.mark.slow
def test_no_address_fails_whatever_it_is_sent(install: str) -> None:
    document = schemathesis.openapi.from_url(f"{install}/openapi.json")
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) > 60
    failures = [told for operation in operations if (told := _first_failure(operation))]
    assert failures == []


@pytest.mark.parametrize("path", ["/api/v1/data/datasets/%00/log", "/api/v1/registry/models/%F0%9F%90%9B/versions"])
def test_strange_names_are_refused_in_the_one_shape(install: str, path: str) -> None:
    answer = httpx.get(install + path)
    assert 400 <= answer.status_code < 500
    assert set(answer.json()["error"]) == {"code", "message", "where", "fix"}


def _first_failure(operation: Any) -> str:
    """What the server answered when it failed, and to what; empty if it never did."""

    @given(case=operation.as_strategy())
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def send(case: schemathesis.Case) -> None:
        answer = case.call()
        assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text[:300]}"

    try:
        send()
    except AssertionError as error:
        return str(error)
    return ""
