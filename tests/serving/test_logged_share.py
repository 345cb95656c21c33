"""What an endpoint's owner keeps out of the log stays out, for live and mirrored requests alike."""

import math

from tests.serving.house import until
from tests.serving.models import Adding


def test_a_share_of_requests_is_logged_whole_or_not_at_all(house, connect):
    champion = house.deploy(Adding(1.0))
    shadow = house.register(Adding(5.0))
    house.serving.set_route("surge", {champion.id: 100.0}, [shadow.id])
    house.serving.configure_endpoint("surge", log_share=0.5)
    client = connect(house.start())
    for number in range(200):
        assert client.infer([1.0, 2.0], [3.0, 4.0], id=f"r{number}").status == 200
    client.close()
    house.groups[0].stop()
    predictions, _ = house.records()
    live = {each.id for each in predictions if each.arm == "live"}
    assert live == {each.id for each in predictions if each.arm == "shadow"}
    requests = {each.partition(":")[0] for each in live}
    assert live == {f"{request}:{row}" for request in requests for row in (0, 1)}
    assert 60 <= len(requests) <= 140


def test_redacted_inputs_reach_the_model_and_not_the_log(house, connect):
    house.deploy(Adding(1.0))
    house.serving.configure_endpoint("surge", redact=["b"])
    client = connect(house.start())
    assert client.infer([1.0, 2.0]).json["outputs"][0]["data"] == [4.0]
    until(lambda: house.records()[0])
    ((a, b),) = (each.feature_values() for each in house.records()[0])
    assert a == 1.0
    assert math.isnan(b)
