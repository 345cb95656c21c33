"""Feast's two calls, on a worker."""

import pytest
from tests.serving.house import open_house, value_of
from tests.serving.models import Adding


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    opened = open_house(tmp_path_factory.mktemp("home"))
    version = opened.register_zones(Adding(0.0))
    opened.serving.create_endpoint("surge")
    opened.serving.set_route("surge", {version.id: 100.0})
    yield opened.start()
    opened.close()


@pytest.fixture
def client(group, connect):
    return connect(group)


def push(client, **columns):
    body = {"push_source_name": "zone_demand", "df": columns, "to": "online"}
    return client.request("POST", "/push", body)


def read(client, **body):
    return client.request("POST", "/get-online-features", body)


def test_what_is_pushed_is_in_the_next_prediction_and_read(client):
    at = ["2026-01-01 10:00:00", "2026-01-01T11:00:00Z"]
    answer = push(client, zone=["z1", "z2"], demand=[5, 7.5], at=at)
    assert (answer.status, answer.json) == (200, {"view": "zone_demand", "counted": 2, "late": 0})
    tensors = [
        {"name": "zone", "datatype": "BYTES", "shape": [1], "data": ["z2"]},
        {"name": "drivers", "datatype": "FP64", "shape": [1], "data": [1.0]},
    ]
    assert value_of(client.request("POST", "/v2/models/surge/infer", {"inputs": tensors})) == 8.5
    found = read(client, feature_service="zones", entities={"zone": ["z1", "z9"], "drivers": [3, None]}).json
    assert found["metadata"]["feature_names"] == ["zone", "drivers", "demand", "drivers"]
    assert found["results"][0]["values"] == ["z1", "z9"]
    assert found["results"][2]["values"] == [5.0, None]
    assert found["results"][2]["statuses"] == ["PRESENT", "NOT_FOUND"]
    one = read(
        client,
        features=["zone_demand:demand"],
        entities={"zone": ["z2"]},
        request_context={"drivers": [1.0]},
        full_feature_names=True,
    )
    assert one.json["metadata"]["feature_names"] == ["zone", "zone_demand__demand"]
    assert one.json["results"][1]["values"] == [7.5]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        ({"push_source_name": "zone_demand", "df": {}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z5"], "at": []}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z5"], "demand": [1], "at": ["now"]}}, 400),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z1"] * 10_001}}, 413),
        ({"push_source_name": "zone_demand", "df": {"zone": ["z1"]}, "to": "offline"}, 400),
        ({"push_source_name": "nobody", "df": {"zone": ["z1"]}}, 404),
    ],
)
def test_a_bad_push_counts_nothing_and_says_why(client, body, status):
    answer = client.request("POST", "/push", body)
    assert answer.status == status
    assert answer.json["error"]
    found = read(client, feature_service="zones", entities={"zone": ["z5"], "drivers": [1.0]}).json
    assert found["results"][2]["values"] == [None]


def test_a_push_that_fails_unforeseen_is_answered_too(house, connect):
    version = house.register_zones(Adding(0.0))
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    answer = push(connect(house.start()), zone=["z1"], demand=[1], at=[10**30])
    assert answer.status in (400, 500)
    assert answer.json["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        ({"entities": {"zone": ["z1"]}}, 400),
        ({"entities": {"zone": ["z1"]}, "features": ["demand"]}, 400),
        ({"entities": {"zone": ["z1"]}, "features": ["zone_demand:nothing"]}, 404),
        ({"entities": {"zone": ["z1"]}, "feature_service": "nobody"}, 404),
        ({"entities": {"zone": ["z1"]}, "feature_service": "zones"}, 400),
        ({"entities": {"zone": [[]], "drivers": [1]}, "feature_service": "zones"}, 400),
        ({"entities": {"zone": ["z1"], "drivers": ["x"]}, "feature_service": "zones"}, 400),
    ],
)
def test_a_bad_read_says_why(client, body, status):
    answer = client.request("POST", "/get-online-features", body)
    assert answer.status == status
    assert answer.json["error"]
