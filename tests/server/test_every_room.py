"""Every room's doors open: each verb is found over HTTP, described, and callable from the remote client."""

from __future__ import annotations

import inspect
import re
from pkgutil import iter_modules
from typing import get_type_hints

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.install import declare_loop
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.base.doors import doors_of
from tidewheel.client import ROOMS, RemotePlatform, connect
from tidewheel.server import routes
from tidewheel.server.app import build


def test_every_room_of_the_platform_has_routes_and_a_place_in_the_client(platform: Platform) -> None:
    rooms = {name for name in dir(platform) if any(doors_of(type(getattr(platform, name))))}
    homes = {address.split(":")[0].removeprefix("tidewheel.") for address in ROOMS.values()}
    assert rooms == set(ROOMS)
    assert homes <= {module.name for module in iter_modules(routes.__path__)}


def test_every_door_is_described_once_with_all_it_takes(platform: Platform) -> None:
    document = build(platform).openapi()
    operations = {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for name in ROOMS:
        room = type(getattr(platform, name))
        for verb, note in doors_of(room):
            path = re.sub(r"{(\w+):\w+}", r"{\1}", note.path)
            assert operations[f"{name}_{verb}"] == (note.method, f"/api/v1{path}")
            hints = get_type_hints(getattr(room, verb))
            assert set(inspect.signature(getattr(room, verb)).parameters) - {"self"} <= set(hints)
            assert "return" in hints, f"{room.__name__}.{verb} does not say what it returns"


def test_every_address_of_the_document_that_names_nothing_is_there(platform: Platform) -> None:
    app = build(platform)
    plain = [path for path, methods in app.openapi()["paths"].items() if "get" in methods and "{" not in path]
    assert {f"/api/v1/{room}" for room in ("costs", "delivery", "registry")} & set(plain)
    with listening(app) as url:
        missing = [path for path in plain if httpx.get(f"{url}{path}").status_code in {404, 405}]
        elsewhere = [
            httpx.get(f"{url}/api/v1/{path}").status_code
            for path in ("cost", "costsx", "nothing/at/all", "loop/loops/")
        ]
    assert missing == []
    assert elsewhere == [404] * 4


def test_the_remote_rooms_refuse_verbs_without_a_door(platform: Platform) -> None:
    with listening(build(platform)) as url, connect(url) as remote:
        with pytest.raises(Exception, match="has no HTTP door"):
            remote.loop.tick()
        with pytest.raises(AttributeError):
            remote.loop.nonsense  # type: ignore[attr-defined]  # noqa: B018
        assert isinstance(remote, RemotePlatform)
        assert remote.loop.ls() == platform.loop.ls() == []


def test_metrics_can_be_parsed_and_name_every_loop(platform: Platform) -> None:
    declare_loop(platform, "surge")
    with listening(build(platform)) as url:
        text = httpx.get(f"{url}/metrics").text
        again = httpx.get(f"{url}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = families["tidewheel_loop_state"].samples
    assert sample.labels == {"loop": "surge", "state": "watching"}
    assert families["tidewheel_journal_seq"].samples[0].value > 0
    assert 'tidewheel_server_requests_total{method="GET",status="200"} 1' in again


def test_health_says_live_and_ready(platform: Platform) -> None:
    with listening(build(platform)) as url:
        assert httpx.get(f"{url}/health/live").json() == {"status": "live"}
        assert httpx.get(f"{url}/health/ready").json()["status"] == "ready"
        assert httpx.get(f"{url}/docs").status_code == 200
