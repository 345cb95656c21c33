"""Triton's model configuration and statistics, as tritonclient asks for them; and words for what is not offered."""

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from tests.serving.house import Client, open_house, until
from tests.serving.models import Adding, Failing
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """`surge` has two versions, `priced` looks a feature up, `broken` fails; two workers behind one port."""
    opened = open_house(tmp_path_factory.mktemp("home"))
    first = opened.deploy(Adding(10.0))
    second = opened.register(Adding(20.0))
    opened.serving.set_route("surge", {first.id: 100.0, second.id: 0.0})
    opened.serving.configure_endpoint("surge", max_batch_rows=32, batch_wait_ms=0.5)
    looked_up = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("priced")
    opened.serving.set_route("priced", {looked_up.id: 100.0})
    opened.deploy_as("broken", Failing())
    opened.first = first
    opened.group = opened.start(workers=2)
    yield opened
    opened.close()


@pytest.fixture
def web(house):
    with triton.InferenceServerClient(f"{house.group.host}:{house.group.port}") as client:
        yield client


@pytest.fixture
def rpc(house):
    with triton_grpc.InferenceServerClient(f"{house.group.host}:{house.group.grpc_port}") as client:
        yield client


def ask(client, endpoint="surge", rows=1, module=triton, **more):
    values = np.ones((rows, 2))
    tensor = module.InferInput("features", [rows, 2], "FP64")
    tensor.set_data_from_numpy(values)
    return client.infer(endpoint, [tensor], **more)


def stats_of(client, endpoint="surge", version=""):
    (found,) = client.get_inference_statistics(endpoint, version)["model_stats"]
    return found


def counts(stats):
    """How many requests were answered and how many failed, and how many model calls there were."""
    told = stats["inference_stats"]
    return [told["success"]["count"], told["fail"]["count"], stats["execution_count"]]


def test_a_configuration_says_how_an_endpoint_is_batched_and_what_a_row_is(house, web):
    config = web.get_model_config("surge")
    assert (config["name"], config["platform"], config["max_batch_size"]) == ("surge", "tidewheel_python", 32)
    assert config["dynamic_batching"] == {"max_queue_delay_microseconds": 500}
    assert config["version_policy"] == {"specific": {"versions": [1, 2]}}
    assert config["input"] == [{"name": "features", "data_type": "TYPE_FP64", "dims": [2]}]
    assert config["output"] == [{"name": "p", "data_type": "TYPE_FP64", "dims": [1], "reshape": {"shape": []}}]
    assert config["model_transaction_policy"] == {"decoupled": False}
    assert config["parameters"]["version"] == {"string_value": web.get_model_metadata("surge")["parameters"]["version"]}
    zone, drivers = web.get_model_config("priced")["input"]
    assert (zone["data_type"], zone["dims"], drivers["data_type"]) == ("TYPE_STRING", [1], "TYPE_FP64")
    numbered = web.get_model_config("surge", "1")
    assert numbered["parameters"]["version"] == {"string_value": house.first.id}


def test_grpc_says_the_same_configuration(web, rpc):
    for endpoint in ("surge", "priced"):
        told, message = web.get_model_config(endpoint), rpc.get_model_config(endpoint).config
        assert (message.name, message.backend, message.max_batch_size) == (
            endpoint,
            "tidewheel",
            told["max_batch_size"],
        )
        assert [each.name for each in message.input] == [each["name"] for each in told["input"]]
        assert [list(each.dims) for each in message.input] == [each["dims"] for each in told["input"]]
        assert list(message.version_policy.specific.versions) == told["version_policy"]["specific"]["versions"]
        assert message.parameters["version"].string_value == told["parameters"]["version"]["string_value"]
    assert rpc.get_model_config("surge", as_json=True)["config"]["input"][0]["data_type"] == "TYPE_FP64"


def test_statistics_count_requests_rows_and_calls_of_all_workers(house, web, rpc):
    before = stats_of(web, version="1")
    for number in range(6):  # each over a connection of its own, so that both workers have some
        with triton.InferenceServerClient(f"{house.group.host}:{house.group.port}") as client:
            ask(client, rows=number + 1, model_version="1")
    with pytest.raises(InferenceServerException, match="features"):
        tensor = triton.InferInput("features", [1, 3], "FP64")
        tensor.set_data_from_numpy(np.ones((1, 3)))
        web.infer("surge", [tensor], model_version="1")
    expected = [each + more for each, more in zip(counts(before), (6, 1, 6), strict=True)]
    until(lambda: counts(stats_of(web, version="1")) == expected)  # counted once answered, and another worker is asked
    after = stats_of(web, version="1")
    assert after["inference_count"] - before["inference_count"] == 21
    told, earlier = after["inference_stats"], before["inference_stats"]
    assert told["fail"]["ns"] > earlier["fail"]["ns"]
    assert 0 < told["compute_infer"]["ns"] < told["success"]["ns"]
    assert told["queue"]["ns"] + told["compute_infer"]["ns"] == pytest.approx(told["success"]["ns"], abs=2)
    message = rpc.get_inference_statistics("surge", "1").model_stats[0]
    assert (message.name, message.version, message.inference_count) == ("surge", "1", after["inference_count"])
    assert message.inference_stats.success.count == told["success"]["count"]
    assert message.inference_stats.compute_infer.ns == told["compute_infer"]["ns"]


def test_a_model_that_fails_counts_as_failed(web):
    with pytest.raises(InferenceServerException, match="failed on this request"):
        ask(web, "broken")
    stats = stats_of(web, "broken")
    assert (stats["inference_stats"]["success"]["count"], stats["inference_stats"]["fail"]["count"]) == (0, 1)
    assert stats["execution_count"] == 1


def test_without_a_name_all_endpoints_are_counted_and_without_a_version_all_of_one(web, rpc):
    everything = web.get_inference_statistics()["model_stats"]
    assert [(each["name"], each["version"]) for each in everything if each["name"] == "surge"] == [
        ("surge", "1"),
        ("surge", "2"),
    ]
    assert {each["name"] for each in everything} == {"surge", "priced", "broken"}
    assert len(web.get_inference_statistics("surge")["model_stats"]) == 2
    assert len(rpc.get_inference_statistics().model_stats) == len(everything)
    assert {each["last_inference"] for each in everything if each["name"] == "priced"} == {0}


@pytest.mark.parametrize("ask_of", ["get_model_config", "get_inference_statistics"])
def test_what_is_not_there_is_not_found(web, rpc, ask_of):
    for client, status in ((web, "404"), (rpc, "StatusCode.NOT_FOUND")):
        for name, version in (("nobody", ""), ("surge", "9")):
            with pytest.raises(InferenceServerException, match=r"no endpoint|no version") as refused:
                getattr(client, ask_of)(name, version)
            assert refused.value.status() == status


def test_extensions_that_are_not_offered_are_refused_in_words(house, web, rpc):
    for client, status in ((web, "404"), (rpc, "StatusCode.UNIMPLEMENTED")):
        for asked, says in (
            (client.get_trace_settings, "Trace settings are not offered"),
            (lambda client=client: client.get_trace_settings("surge"), "Trace settings are not offered"),
            (lambda client=client: client.update_log_settings({}), "Log settings are not offered"),
            (client.get_system_shared_memory_status, "Shared memory is not offered"),
            (lambda client=client: client.register_cuda_shared_memory("r", b"", 0, 1), "Shared memory is not offered"),
        ):
            with pytest.raises(InferenceServerException, match=says) as refused:
                asked()
            assert refused.value.status() == status
    client = Client(house.group)
    assert client.request("POST", "/v2/models/surge/stats").headers["allow"] == "GET, HEAD"
    client.close()
