"""An endpoint's options through the control plane: set, read, refused, shown; and the log's room in `/metrics`."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.listening import listening

from tidewheel.app import Platform
from tidewheel.client import connect
from tidewheel.server.app import build
from tidewheel.serving import EndpointOptions


def test_options_are_set_and_read_over_http_and_by_the_client(platform: Platform) -> None:
    platform.serving.create_endpoint("surge")
    with listening(build(platform)) as url:
        address = f"{url}/api/v1/serving/endpoints/surge"
        answer = httpx.put(f"{address}/options", json={"max_batch_rows": 8, "redact": ["phone"]})
        assert answer.status_code == 200
        assert answer.json()["options"]["redact"] == ["phone"]
        with connect(url) as remote:
            endpoint = remote.serving.configure_endpoint("surge", isolated=True)
        assert endpoint.options == EndpointOptions(max_batch_rows=8, redact=("phone",), isolated=True)
        assert httpx.get(address).json()["generation"] == endpoint.generation
    assert platform.serving.endpoint("surge") == endpoint


@pytest.mark.parametrize(
    "body", [{"log_share": 2}, {"max_batch_rows": "many"}, {"no_such_option": 1}, {"redact": "phone"}, {"max_queue": 0}]
)
def test_options_that_cannot_be_are_refused_and_nothing_changes(platform: Platform, body: dict[str, object]) -> None:
    platform.serving.create_endpoint("surge")
    with listening(build(platform)) as url:
        answer = httpx.put(f"{url}/api/v1/serving/endpoints/surge/options", json=body)
    assert answer.status_code == 400
    assert next(iter(body)) in answer.text
    assert platform.serving.endpoint("surge").options == EndpointOptions()


def test_the_page_shows_the_options_that_somebody_set(platform: Platform) -> None:
    platform.serving.create_endpoint("surge")
    with listening(build(platform)) as url:
        assert "Served with" not in httpx.get(f"{url}/live/traffic").text
    platform.serving.configure_endpoint("surge", log_share=0.25, redact=["<phone>"], isolated=True, idle_unload_s=60)
    with listening(build(platform)) as url:  # another server: one looks again only after a while
        text = httpx.get(f"{url}/live/traffic").text
    for shown in ("isolated", "yes", "log share", "0.25", "&lt;phone&gt;", "idle unload", "60 s"):
        assert shown in text
    assert "max queue" not in text


def test_metrics_tell_what_the_prediction_log_takes(platform: Platform) -> None:
    with listening(build(platform)) as url:
        text = httpx.get(f"{url}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    parts = {sample.labels["part"]: sample.value for sample in families["tidewheel_storage_log_bytes"].samples}
    assert parts == {"segments": 0, "index": 0}
    assert families["tidewheel_storage_log_budget_bytes"].samples[0].value == 0
    assert families["tidewheel_storage_log_free_bytes"].samples[0].value > 0
