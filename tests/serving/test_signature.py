"""A request that does not fit the version's signature is refused: which column, what it gave, what to give."""

import pytest
from tests.serving.house import Client, open_house, value_of, zone_features
from tests.serving.models import Adding

from tidewheel.registry import Signature
from tidewheel.registry.formats import saving_format


def tensor(name, data, datatype="FP64"):
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """`surge` takes a whole number, a flag, a float and an optional float; `unsigned` says nothing of what it takes."""
    house = open_house(tmp_path_factory.mktemp("home"))
    folder = house.home / "model"
    folder.mkdir()
    saving_format(Adding(0.0)).save(Adding(0.0), folder)
    inputs = (("riders", "int32"), ("rain", "bool"), ("wait", "float64"), ("tip", "float64"))
    signatures = {
        "surge": Signature(inputs, (("p", "float64"),), ("tip",)),
        "unsigned": Signature((), ()),
    }
    for name, signature in signatures.items():
        version = house.registry.register(name, format="python", folder=folder, signature=signature, trust=True)
        house.serving.create_endpoint(name)
        house.serving.set_route(name, {version.id: 100.0})
    zones = zone_features()
    house.features.apply(zones)
    whole = Signature((("demand", "int64"), ("drivers", "float64")), (("p", "float64"),), ("drivers",))
    priced = house.registry.register(
        "priced", format="python", folder=folder, signature=whole, trust=True, feature_set=(zones.name, zones.hash)
    )
    house.serving.create_endpoint("priced")
    house.serving.set_route("priced", {priced.id: 100.0})
    seen = {"at": "2026-01-01T00:00:00Z"}
    house.features.push("zone_demand", [{"zone": "z1", "demand": 5, **seen}, {"zone": "half", "demand": 2.5, **seen}])
    opened = Client(house.start())
    yield opened
    opened.close()
    house.close()


def infer(client, *inputs, path="surge"):
    return client.request("POST", f"/v2/models/{path}/infer", {"inputs": list(inputs)})


GOOD = {"riders": [3], "rain": [1], "wait": [0.5], "tip": [2.0]}


def given(**changed):
    return [tensor(name, data) for name, data in {**GOOD, **changed}.items() if data is not None]


def test_values_that_fit_are_answered(client):
    assert value_of(infer(client, *given())) == 6.5
    whole = {"name": "features", "datatype": "FP64", "shape": [1, 4], "data": [3, 1, 0.5, 2]}
    assert value_of(infer(client, whole)) == 6.5


def test_an_optional_column_may_be_left_out_and_is_missing(client):
    assert infer(client, *given(tip=None)).json["outputs"][0]["data"] == [None]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"riders": [2.5]}, "'riders' is int32 in the version's signature, and row 0 gives 2.5"),
        ({"riders": [None]}, "row 0 gives null"),
        ({"riders": [3e9]}, "row 0 gives 3000000000"),
        ({"rain": [2]}, "'rain' is bool"),
        ({"wait": None}, "Features are missing: wait"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_column_and_row(client, changed, says):
    answer = infer(client, *given(**changed))
    assert answer.status == 400
    assert says in answer.json["error"]


def test_the_whole_table_is_held_to_the_signature_too(client):
    whole = {"name": "features", "datatype": "FP64", "shape": [2, 4], "data": [3, 1, 0.5, 2, 3.5, 1, 0.5, 2]}
    assert "row 1 gives 3.5" in infer(client, whole).json["error"]


def test_a_version_without_a_signature_takes_one_table_and_no_names(client):
    whole = {"name": "features", "datatype": "FP64", "shape": [1, 3], "data": [1, 2, 3]}
    assert value_of(infer(client, whole, path="unsigned")) == 6.0
    assert "knows no input" in infer(client, tensor("riders", [1]), path="unsigned").json["error"]


def zone(name):
    return {"name": "zone", "datatype": "BYTES", "shape": [1], "data": [name]}


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([zone("half"), tensor("drivers", [3])], "'demand' is int64 in the version's signature, and row 0 gives 2.5"),
        ([zone("nowhere"), tensor("drivers", [3])], "row 0 gives null"),
        ([zone("z1")], "to look them up, so are: drivers"),
        ([tensor("demand", [1.5]), tensor("drivers", [3])], "row 0 gives 1.5"),
    ],
)
def test_features_that_are_looked_up_are_held_to_the_signature_too(client, inputs, says):
    answer = infer(client, *inputs, path="priced")
    assert answer.status == 400
    assert says in answer.json["error"]


def test_features_that_fit_are_looked_up_and_answered(client):
    assert value_of(infer(client, zone("z1"), tensor("drivers", [3]), path="priced")) == 8.0
