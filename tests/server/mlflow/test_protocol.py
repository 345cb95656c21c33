"""What every call of MLflow's protocol has in common: reading, refusing, letting in."""

from __future__ import annotations

import httpx
import pytest

from tidewheel.app import Platform

API = "/api/2.0/mlflow"


@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_calls_are_answered_below_both_prefixes(http: httpx.Client, prefix: str) -> None:
    answer = http.get(f"{prefix}/experiments/get", params={"experiment_id": "0"})
    assert answer.status_code == 200
    assert answer.json()["experiment"]["name"] == "Default"
    assert answer.json()["experiment"]["artifact_location"] == "mlflow-artifacts:/0"


def test_what_is_not_there_is_told_in_mlflows_shape(http: httpx.Client) -> None:
    answer = http.get(f"{API}/experiments/get", params={"experiment_id": "17"})
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert "No Experiment with id=17 exists" in answer.json()["message"]


def test_a_missing_parameter_is_named_in_mlflows_words(http: httpx.Client) -> None:
    answer = http.get(f"{API}/experiments/get")
    assert answer.status_code == 400
    assert answer.json() == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "Missing value for required parameter 'experiment_id'. "
        "See the API docs for more information about request parameters.",
    }


@pytest.mark.parametrize(
    "path", ["/api/3.0/mlflow/traces/search", f"{API}/traces/abc/info", f"{API}/scorers/list", "/graphql"]
)
def test_what_is_left_out_answers_501_and_says_so(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={})
    assert answer.status_code == 501
    assert answer.json()["error_code"] == "NOT_IMPLEMENTED"
    assert "Tidewheel does not have" in answer.json()["message"]


def test_an_unknown_address_is_an_mlflow_error_and_not_a_page(http: httpx.Client) -> None:
    answer = http.get(f"{API}/experiments/gather")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert http.delete(f"{API}/experiments/get").json()["error_code"] == "BAD_REQUEST"


def test_a_token_is_taken_as_bearer_and_as_the_basic_password(http: httpx.Client, platform: Platform) -> None:
    secret = platform.governance.create_token("ann", "viewer").secret
    path = f"{API}/experiments/get?experiment_id=0"
    assert http.get(path).json()["error_code"] == "UNAUTHENTICATED"
    assert http.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert http.get(path, auth=("anyone", secret)).status_code == 200
    assert http.get(path, auth=("anyone", "wrong")).status_code == 401
