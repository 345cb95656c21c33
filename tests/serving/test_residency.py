"""Models leave memory when they need not be there, and no request is lost for it."""

from tests.serving.house import until, value_of
from tests.serving.models import Adding


def figure(client, name):
    """The sum of a metric's samples."""
    lines = client.request("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and not line.startswith("#"))


def deploy_heavy(house, count, megabytes=24):
    """`count` endpoints e0, e1, …, each with a model of its own that takes some memory."""
    for number in range(count):
        model = Adding(float(number))
        model.ballast = bytes([number]) * (megabytes * 2**20)
        house.deploy_as(f"e{number}", model)


def test_more_models_than_the_budget_holds_all_answer(house, connect):
    deploy_heavy(house, 4)
    client = connect(house.start(memory_budget_mb=60))
    for _ in range(3):
        for number in range(4):
            assert value_of(client.infer([1.0, 2.0], path=f"e{number}")) == 3.0 + number
            assert figure(client, "tidewheel_serving_model_memory_bytes") <= 60 * 2**20
    assert figure(client, "tidewheel_serving_model_loads_total") > 0
    assert figure(client, "tidewheel_serving_model_unloads_total") > 0


def test_a_model_larger_than_the_budget_is_served_alone(house, connect):
    deploy_heavy(house, 2)
    client = connect(house.start(memory_budget_mb=1))
    for number in (0, 1, 0):
        assert value_of(client.infer([1.0, 2.0], path=f"e{number}")) == 3.0 + number


def test_a_shadow_that_was_sent_away_still_sees_every_request(house, connect):
    deploy_heavy(house, 1)
    champion = house.serving.champion("e0")
    shadow = house.register(Adding(9.0))
    house.serving.set_route("e0", {champion: 100.0}, [shadow.id])
    client = connect(house.start(memory_budget_mb=1))
    for number in range(5):
        assert client.infer([float(number), 0.0], path="e0").status == 200
    until(lambda: len(house.records()[0]) == 10)
    assert {record.status for record in house.records()[0]} == {200}


def test_an_unloaded_endpoint_says_so_until_it_is_loaded_again(house, connect):
    house.deploy(Adding(1.0))
    group = house.start(workers=2)
    client = connect(group)
    index = client.request("POST", "/v2/repository/index")
    assert index.json == [{"name": "surge", "version": "1", "state": "READY", "reason": ""}]
    assert client.request("POST", "/v2/repository/models/surge/unload").status == 200
    refused = client.infer([1.0, 2.0])
    assert refused.status == 503
    assert "POST /v2/repository/models/surge/load" in refused.json["error"]
    others = [connect(group) for _ in range(6)]  # the other worker hears of it too
    until(lambda: all(other.infer([1.0, 2.0]).status == 503 for other in others))
    assert client.request("POST", "/v2/repository/index", {"ready": True}).json == []
    assert client.request("POST", "/v2/repository/index").json[0]["state"] == "UNAVAILABLE"
    assert client.request("POST", "/v2/repository/models/surge/load").status == 200
    assert value_of(client.infer([1.0, 2.0])) == 4.0
    until(lambda: all(other.infer([1.0, 2.0]).status == 200 for other in others))


def test_what_cannot_be_loaded_is_refused_in_words(house, connect):
    house.deploy(Adding(1.0))
    client = connect(house.start())
    assert client.request("POST", "/v2/repository/index", b"[").status == 400
    for verb in ("load", "unload"):
        missing = client.request("POST", f"/v2/repository/models/none/{verb}")
        assert missing.status == 404
        assert "There is no endpoint 'none'" in missing.json["error"]


def test_an_operator_can_keep_clients_from_unloading(house, connect):
    house.deploy(Adding(1.0))
    client = connect(house.start(repository_control=False))
    assert client.request("POST", "/v2/repository/models/surge/unload").status == 403
    assert client.infer([1.0, 2.0]).status == 200


def test_an_endpoint_that_is_rarely_asked_leaves_memory_between_requests(house, connect):
    house.deploy(Adding(1.0))
    house.serving.configure_endpoint("surge", idle_unload_s=0.2)
    client = connect(house.start())
    for _ in range(2):
        assert value_of(client.infer([1.0, 2.0])) == 4.0
        until(lambda: figure(client, "tidewheel_serving_model_memory_bytes") == 0)
