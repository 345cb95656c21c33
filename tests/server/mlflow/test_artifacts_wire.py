"""The artifact proxy over real HTTP: whole, in parts, in ranges, as an attachment, and never out of its namespace."""

from __future__ import annotations

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.server.listening import listening

from tidewheel.server.app import build

ROOT = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"


@pytest.fixture
def http(platform):
    with listening(build(platform)) as url, httpx.Client(base_url=url) as client:
        yield client


def test_a_file_goes_up_is_listed_comes_down_and_is_deleted(http):
    assert http.put(f"{ROOT}/0/run/artifacts/a/b.txt", content=b"tide").json() == {}
    assert http.get(ROOT, params={"path": "0/run/artifacts"}).json() == {"files": [{"path": "a", "is_dir": True}]}
    listed = http.get(ROOT, params={"path": "0/run/artifacts/a"}).json()
    assert listed == {"files": [{"path": "b.txt", "is_dir": False, "file_size": 4}]}
    assert http.get(f"{ROOT}/0/run/artifacts/a/b.txt").content == b"tide"
    assert http.delete(f"{ROOT}/0/run/artifacts/a").json() == {}
    answer = http.get(f"{ROOT}/0/run/artifacts/a/b.txt")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_what_comes_down_cannot_run_in_a_browser(http):
    http.put(f"{ROOT}/x/page.html", content=b"<script>alert(1)</script>" * 200)
    answer = http.get(f"{ROOT}/x/page.html", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "content-encoding" not in answer.headers
    http.put(f'{ROOT}/x/ünïcode "name".txt', content=b"1")
    assert re.search(
        r"filename\*=UTF-8''%C3%BCn", http.get(f'{ROOT}/x/ünïcode "name".txt').headers["content-disposition"]
    )


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-2", 206, b"89"), ("bytes=99-", 416, b"")],
)
def test_a_part_of_a_file_can_be_asked_for(http, asked, status, content):
    http.put(f"{ROOT}/x/digits", content=b"0123456789")
    answer = http.get(f"{ROOT}/x/digits", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)


@pytest.mark.parametrize(
    "path",
    [
        "../up",
        "a/../../up",
        "%2e%2e/up",
        "%252e%252e/up",
        "a%5c..%5cup",
        "%2Fetc/passwd",
        "C:/up",
        "C%3A%5Cup",
        "a%00b",
        "a%23b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_path_leads_out(http, method, path):
    url = httpx.URL(http.base_url.copy_with(raw_path=f"{ROOT}/{path}".encode()))
    answer = http.request(method, url, content=b"x" if method == "PUT" else None)
    assert answer.status_code in {400, 404}
    assert answer.json()["error_code"] in {"INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND"}


def test_a_file_comes_in_parts_in_any_order(http):
    begun = http.post(f"{MPU}/create/0/run/artifacts", json={"path": "/tmp/big.bin", "num_parts": 3}).json()
    parts = []
    for credential, piece in reversed(list(zip(begun["credentials"], (b"aa", b"bb", b"c"), strict=True))):
        sent = httpx.put(credential["url"], content=piece, headers=credential["headers"])
        parts.append({"part_number": credential["part_number"], "etag": sent.headers["ETag"]})
    told = {"path": "/tmp/big.bin", "upload_id": begun["upload_id"]}
    short = http.post(f"{MPU}/complete/0/run/artifacts", json={**told, "parts": parts[:2]})
    assert short.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert http.post(f"{MPU}/complete/0/run/artifacts", json={**told, "parts": parts}).json() == {}
    assert http.get(f"{ROOT}/0/run/artifacts/big.bin").content == b"aabbc"


def in_two_parts(http, path):
    """An upload whose parts have come: the address that completes it, and what to tell it."""
    begun = http.post(f"{MPU}/create/x", json={"path": path, "num_parts": 2}).json()
    parts = [
        {"part_number": part["part_number"], "etag": httpx.put(part["url"], content=b"ab" * 500_000).headers["ETag"]}
        for part in begun["credentials"]
    ]
    return f"{MPU}/complete/x", {"path": path, "upload_id": begun["upload_id"], "parts": parts}


def test_an_upload_that_is_completed_again_answers_the_same_while_its_file_is_kept(http, tmp_path):
    address, told = in_two_parts(http, "big.bin")
    other, of_another = in_two_parts(http, "other.bin")
    for _ in range(2):
        assert http.post(address, json=told).json() == {}
    assert http.get(f"{ROOT}/x/big.bin").content == b"ab" * 1_000_000
    assert http.post(address, json={**told, "path": "other.bin"}).status_code == 404
    aborted = http.post(f"{MPU}/abort/x", json={"path": "big.bin", "upload_id": told["upload_id"]})
    assert aborted.status_code == 404
    http.put(f"{ROOT}/x/big.bin", content=b"another")
    assert http.post(address, json=told).json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert http.post(other, json=of_another).json() == {}


def test_four_that_complete_an_upload_at_once_are_all_answered(http, platform, tmp_path):
    for number in range(5):
        address, told = in_two_parts(http, f"{number}.bin")
        with ThreadPoolExecutor(4) as lanes:
            answers = list(lanes.map(lambda _, a=address, t=told: http.post(a, json=t).status_code, range(4)))
        assert answers == [200] * 4
    assert len(platform.artifacts.below("x")) == 5
    assert len([file for file in (tmp_path / "home" / "blobs").rglob("*") if file.is_file()]) == 1


def test_an_upload_in_parts_into_a_registered_version_is_refused_at_once(http):
    begun = http.post(f"{MPU}/create/versions/ver_1", json={"path": "a", "num_parts": 1})
    assert (begun.status_code, begun.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_an_upload_in_parts_can_be_given_up(http, platform, tmp_path):
    begun = http.post(f"{MPU}/create/x", json={"path": "big.bin", "num_parts": 1}).json()
    httpx.put(begun["credentials"][0]["url"], content=b"half")
    assert http.post(f"{MPU}/abort/x", json={"path": "big.bin", "upload_id": begun["upload_id"]}).json() == {}
    assert http.get(ROOT, params={"path": "x"}).json() == {"files": []}
    assert not [path for path in (tmp_path / "home" / "blobs").rglob("*") if path.is_file()]


def test_artifacts_have_a_limit_of_their_own(tmp_path):
    from tidewheel.app import open_platform
    from tidewheel.base.settings import Settings

    bounds = Settings({"server.max_body_bytes": 1000, "server.max_artifact_bytes": 5000}, environ={})
    with open_platform(tmp_path / "bounded", bounds) as platform, listening(build(platform)) as url:
        assert httpx.put(f"{url}{ROOT}/x/a", content=b"x" * 4000).status_code == 200
        refused = httpx.put(f"{url}{ROOT}/x/b", content=b"x" * 6000)
        assert refused.status_code == 413
        assert "server.max_artifact_bytes" in refused.text
        assert platform.artifacts.list("x")[0].path == "x/a"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.text(st.sampled_from("ab./\\%25eEfF2#:C~ \x00"), min_size=1, max_size=12))
def test_whatever_is_kept_is_listed_below_its_root(http, path):
    url = http.base_url.copy_with(raw_path=f"{ROOT}/fuzz/{quote(path, safe='%./:~')}".encode())
    answer = http.put(url, content=b"x")
    assert answer.status_code in {200, 400, 404, 409}
    assert {file["path"] for file in http.get(ROOT, params={"path": ""}).json()["files"]} <= {"fuzz"}


def test_an_upload_that_breaks_off_leaves_nothing(http, tmp_path):
    blobs = tmp_path / "home" / "blobs"
    with socket.create_connection((http.base_url.host, http.base_url.port)) as client:
        head = f"PUT {ROOT}/x/half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 3_000_000)
        assert in_time(lambda: any(file.stat().st_size for file in (blobs / "incoming").iterdir()))
    assert in_time(lambda: not [path for path in blobs.rglob("*") if path.is_file()])
    assert http.get(f"{ROOT}/x/half").status_code == 404


def test_a_damaged_file_is_never_sent_whole(http, tmp_path):
    for name, size in (("small", 10), ("large", 3 << 20)):
        http.put(f"{ROOT}/x/{name}", content=b"x" * size)
        digest = http.get(f"{ROOT}/x/{name}").headers["etag"].strip('"')
        (tmp_path / "home" / "blobs" / digest[:2] / digest[2:]).write_bytes(b"x" * (size - 1) + b"y")
    assert http.get(f"{ROOT}/x/small").status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(f"{ROOT}/x/large")


def test_odd_requests_are_no_failures_of_the_server(http):
    http.put(f"{ROOT}/x/file", content=b"abc")
    whole = http.get(f"{ROOT}/x/file", headers={"range": f"bytes={'1' * 5000}-"})
    assert (whole.status_code, whole.content) == (200, b"abc")
    for body in (b'{"path": "\xff"}', b'{"x": ' + b"[" * 100_000, b"[1"):
        begun = http.post("/api/2.0/mlflow-artifacts/mpu/create/x", content=body)
        assert (begun.status_code, begun.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def in_time(holds):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not holds():
        threading.Event().wait(0.01)
    return holds()
