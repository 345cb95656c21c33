"""What a worker says of itself in its OpenAPI document is what it does, whatever it is sent."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.serving.house import Client, open_house
from tests.serving.models import Adding

from tidewheel.serving.worker.openapi import OPERATIONS, document

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
NAMES = {"name": "surge", "version": "1"}


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """`surge` adds two features; endpoints cannot be unloaded, so that no random request takes it away."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    opened.deploy(Adding(0.0))
    looked_up = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("priced")
    opened.serving.set_route("priced", {looked_up.id: 100.0})
    yield opened.start(repository_control=False)
    opened.close()


@pytest.fixture
def client(group):
    opened = Client(group)
    yield opened
    opened.close()


def test_the_worker_answers_with_its_own_document(client):
    answer = client.request("GET", "/openapi.json")
    assert answer.json == document()
    assert answer.json["openapi"].startswith("3.1")


def test_every_address_of_the_table_is_there_and_takes_its_method(client):
    for operation in OPERATIONS:
        answer = client.request(operation.method, operation.path.format(**NAMES), b"")
        assert answer.status not in (404, 405), operation.path
        other = "POST" if operation.method == "GET" else "DELETE"
        if (other, operation.path) not in {(each.method, each.path) for each in OPERATIONS}:
            assert client.request(other, operation.path.format(**NAMES), b"").status in (404, 405)


@pytest.mark.parametrize("known", [True, False], ids=["known names", "any names"])
def test_whatever_an_address_is_sent_it_answers_as_documented(group, known):
    told = schemathesis.openapi.from_url(f"http://{group.host}:{group.port}/openapi.json")
    operations = [result.ok() for result in told.get_all_operations()]
    missing = {f"{each.method} {each.path}" for each in OPERATIONS} - {operation.label for operation in operations}
    assert missing <= {"GET /openapi.json"}  # schemathesis leaves out where it had the document from
    failures = [told for operation in operations if (told := _first_failure(operation, known))]
    assert failures == []


INFER = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [2, 2], "data": [1, None, 3, 4]}]}
SCORE = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, None], [3, 4]]}}
GOOD = {
    "/v2/models/{name}/infer": INFER,
    "/v2/models/{name}/versions/{version}/infer": INFER,
    "/v2/models/{name}/invocations": SCORE,
    "/v2/models/{name}/versions/{version}/invocations": SCORE,
    "/v1/models/{name}:predict": SCORE,
    "/invocations": SCORE,
    "/v2/repository/index": {},
    "/api/v1/serving/labels": {"labels": [{"id": "r1", "values": {"accepted": 1.0}}]},
    "/push": {"push_source_name": "zone_demand", "df": {"zone": ["z"], "demand": [1], "at": ["2026-01-01T00:00:00Z"]}},
    "/get-online-features": {"feature_service": "zones", "entities": {"zone": ["z", "y"], "drivers": [1, None]}},
}


def test_what_is_well_asked_is_answered_as_documented(group):
    told = schemathesis.openapi.from_url(f"http://{group.host}:{group.port}/openapi.json")
    asked = set()
    for operation in (result.ok() for result in told.get_all_operations()):
        body = GOOD.get(operation.path)
        if operation.method == "post" and body is None:
            assert operation.path.startswith("/v2/repository/models/")  # not allowed here
            continue
        sent = {} if body is None else {"body": body, "media_type": "application/json"}
        names = {name: NAMES[name] for name in NAMES if f"{{{name}}}" in operation.path}
        case = operation.Case(path_parameters=names, headers={"x-tidewheel-endpoint": "surge"}, **sent)
        answer = case.call_and_validate(checks=CHECKS)
        assert answer.status_code == 200, (operation.label, answer.text)
        asked.add(operation.path)
    assert asked >= GOOD.keys()


def _first_failure(operation: Any, known: bool) -> str:
    """What was wrong with an answer, and to what; empty if nothing ever was."""

    @given(case=operation.as_strategy())
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def send(case: schemathesis.Case) -> None:
        if known:
            case.path_parameters = {name: NAMES[name] for name in case.path_parameters or {}}
        case.call_and_validate(checks=CHECKS)

    try:
        send()
    except (AssertionError, ExceptionGroup) as error:
        return f"{operation.label}: {error}"
    return ""
