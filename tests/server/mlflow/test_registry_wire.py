"""MLflow's addresses of the registry and of webhooks: codes, messages and shapes."""

import pytest

from tidewheel.registry import Signature

ROOT = "/api/2.0/mlflow"


def told(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer):
    return answer.status_code, answer.json()["error_code"], answer.json()["message"]


def post(http, path, **sent):
    return http.post(f"{ROOT}/{path}", json=sent)


def get(http, path, **sent):
    return http.get(f"{ROOT}/{path}", params=sent)


@pytest.fixture
def surge(http):
    told(post(http, "registered-models/create", name="surge", tags=[{"key": "a", "value": "1"}]))
    return told(post(http, "model-versions/create", name="surge", source="s3://b/m", run_id="r1"))["model_version"]


def test_a_version_has_mlflows_fields(http, surge):
    assert isinstance(surge["creation_timestamp"], int)
    assert surge["creation_timestamp"] > 1e12
    expected = {"name": "surge", "version": "1", "current_stage": "None", "source": "s3://b/m", "status": "READY"}
    assert expected.items() <= surge.items()
    model = told(get(http, "registered-models/get", name="surge"))["registered_model"]
    assert model["latest_versions"] == [surge]
    assert (model["tags"], model["description"]) == ([{"key": "a", "value": "1"}], "")


@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("registered-models/create", {"name": "surge"}, (400, "RESOURCE_ALREADY_EXISTS", "already exists")),
        ("registered-models/create", {"name": ""}, (400, "INVALID_PARAMETER_VALUE", "required parameter 'name'")),
        ("registered-models/create", {"name": "a/b"}, (400, "INVALID_PARAMETER_VALUE", "cannot contain '/' or ':'")),
        ("registered-models/rename", {"name": "no", "new_name": "x"}, (404, "RESOURCE_DOES_NOT_EXIST", "name=no not")),
        ("model-versions/create", {"name": "no", "source": "s3://b"}, (404, "RESOURCE_DOES_NOT_EXIST", "name=no not")),
        ("model-versions/create", {"name": "surge"}, (400, "INVALID_PARAMETER_VALUE", "'source'")),
        (
            "model-versions/create",
            {"name": "surge", "source": "/etc/x"},
            (400, "INVALID_PARAMETER_VALUE", "local path"),
        ),
        (
            "model-versions/create",
            {"name": "surge", "source": "s3://b/../x"},
            (400, "INVALID_PARAMETER_VALUE", "source"),
        ),
        (
            "model-versions/create",
            {"name": "surge", "source": "models:/surge/9"},
            (404, "RESOURCE_DOES_NOT_EXIST", "no"),
        ),
        (
            "model-versions/transition-stage",
            {"name": "surge", "version": "1", "stage": "Live"},
            (400, "INVALID_PARAMETER_VALUE", "Invalid Model Version stage"),
        ),
        (
            "registered-models/alias",
            {"name": "surge", "alias": "v3", "version": "1"},
            (400, "INVALID_PARAMETER_VALUE", "reserved"),
        ),
        (
            "registered-models/alias",
            {"name": "surge", "alias": "ok", "version": "7"},
            (404, "RESOURCE_DOES_NOT_EXIST", "version=7) not found"),
        ),
    ],
)
def test_what_is_wrong_is_said_in_mlflows_words(http, surge, path, sent, expected):
    status, code, message = refused(post(http, path, **sent))
    assert (status, code) == expected[:2]
    assert expected[2] in message


@pytest.mark.parametrize("version", ["x", "1.5", "99999999999999999999"])
def test_a_version_that_is_no_number_is_refused(http, surge, version):
    assert get(http, "model-versions/get", name="surge", version=version).status_code in {400, 404}


def test_an_alias_that_nobody_holds_is_no_parameter_and_its_deletion_no_error(http, surge):
    status, code, message = refused(get(http, "registered-models/alias", name="surge", alias="champion"))
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "Registered model alias champion not found." in message
    told(http.request("DELETE", f"{ROOT}/registered-models/alias", json={"name": "surge", "alias": "champion"}))
    told(post(http, "registered-models/alias", name="surge", alias="champion", version="1"))
    assert told(get(http, "registered-models/alias", name="surge", alias="champion"))["model_version"]["version"] == "1"
    assert told(get(http, "registered-models/alias", name="surge", alias="latest"))["model_version"]["version"] == "1"


def test_a_prompt_is_refused_and_nothing_is_written(http):
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    status, code, _ = refused(post(http, "registered-models/create", name="p", tags=tags))
    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert told(get(http, "registered-models/search")) == {}


def test_searches_are_paged(http):
    for name in ("a", "b", "c"):
        told(post(http, "registered-models/create", name=name))
    first = told(get(http, "registered-models/search", max_results=2))
    rest = told(get(http, "registered-models/search", max_results=2, page_token=first["next_page_token"]))
    assert [each["name"] for each in first["registered_models"] + rest["registered_models"]] == ["a", "b", "c"]
    assert "next_page_token" not in rest
    assert refused(get(http, "registered-models/search", max_results=1001))[1] == "INVALID_PARAMETER_VALUE"


def test_what_was_registered_natively_is_downloaded_from_where_the_registry_keeps_it(http, platform, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.txt").write_text("tree")
    signature = Signature.of(["a"], ["p"])
    native = platform.registry.register("eta", format="lightgbm", folder=tmp_path / "model", signature=signature)
    kept = f"mlflow-artifacts:/versions/{native.id}"
    assert told(get(http, "model-versions/get-download-uri", name="eta", version="1")) == {"artifact_uri": kept}
    assert told(get(http, "model-versions/get", name="eta", version="1"))["model_version"]["source"] == kept


def test_what_a_run_is_overwritten_with_later_does_not_reach_the_version_registered_from_it(http):
    run = told(post(http, "runs/create", experiment_id="0"))["run"]["info"]
    path = f"{run['artifact_uri'].partition(':/')[2].lstrip('/')}/model/model.txt"
    files = "/api/2.0/mlflow-artifacts/artifacts"
    told(http.put(f"{files}/{path}", content=b"first"))
    told(post(http, "registered-models/create", name="eta"))
    source = f"runs:/{run['run_id']}/model"
    told(post(http, "model-versions/create", name="eta", source=source, run_id=run["run_id"]))
    told(http.put(f"{files}/{path}", content=b"second"))
    kept = told(get(http, "model-versions/get-download-uri", name="eta", version="1"))["artifact_uri"]
    assert http.get(f"{files}/{kept.removeprefix('mlflow-artifacts:/')}/model.txt").content == b"first"
    assert told(get(http, "model-versions/get", name="eta", version="1"))["model_version"]["source"] == source


def test_a_copy_leads_to_the_files_of_its_original(http, surge):
    told(post(http, "registered-models/create", name="copy"))
    told(post(http, "model-versions/create", name="copy", source="models:/surge/1"))
    assert told(get(http, "model-versions/get-download-uri", name="copy", version="1")) == {"artifact_uri": "s3://b/m"}


def test_a_webhook_is_made_seen_changed_and_forgotten_and_keeps_its_secret(http):
    events = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
    sent = {"name": "hook", "url": "https://example.com/x", "events": events, "secret": "s3cret"}
    made = told(post(http, "webhooks", **sent))["webhook"]
    assert (made["events"], made["status"]) == (events, "ACTIVE")
    changed = told(http.patch(f"{ROOT}/webhooks/{made['webhook_id']}", json={"status": "DISABLED"}))["webhook"]
    assert (changed["status"], changed["url"]) == ("DISABLED", "https://example.com/x")
    listed = http.get(f"{ROOT}/webhooks").text
    assert "s3cret" not in listed
    assert made["webhook_id"] in listed
    told(http.delete(f"{ROOT}/webhooks/{made['webhook_id']}"))
    status, code, message = refused(http.get(f"{ROOT}/webhooks/{made['webhook_id']}"))
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "not found" in message


def test_a_viewer_sees_the_host_of_a_webhook_and_a_developer_its_whole_address(http, platform):
    url = "https://chat.example:8443/hooks/k3y?t=k3y"
    webhook = platform.webhooks.create("hook", url, ["model_version.created"])
    shown = {}
    for role in ("viewer", "developer"):
        headers = {"Authorization": f"Bearer {platform.governance.create_token(role, role).secret}"}
        for address in (f"{ROOT}/webhooks", "/api/v1/registry/webhooks"):
            for path in (address, f"{address}/{webhook.id}"):
                shown[role, path] = told(http.get(path, headers=headers))
    for (role, path), answer in shown.items():
        found = answer.get("webhook") or answer.get("webhooks", answer)
        found = found[0] if isinstance(found, list) else found
        assert found["url"] == (url if role == "developer" else "https://chat.example:8443/…"), path


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "ftp://example.com", "http://169.254.169.254/latest"])
def test_a_webhook_into_the_servers_own_network_is_refused(http, url):
    events = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
    assert refused(post(http, "webhooks", name="hook", url=url, events=events))[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_events_of_prompts_are_said_to_be_left_out(http):
    events = [{"entity": "PROMPT", "action": "CREATED"}]
    answer = post(http, "webhooks", name="hook", url="https://example.com", events=events)
    assert refused(answer)[:2] == (501, "NOT_IMPLEMENTED")


def test_a_source_that_is_no_address_or_never_ends_is_refused(http, surge):
    odd = ("http://[abc", "s3://[", "mlflow-artifacts://[/x", "s3://b/%" + "25" * 1000, "s3://" + "b" * 5000)
    for source in odd:
        answer = http.post("/api/2.0/mlflow/model-versions/create", json={"name": "surge", "source": source})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
