"""A value of the wrong type is named by its place in the data, over HTTP and whatever its datatype."""

import msgspec
import pytest
from hypothesis import given, strategies
from tests.serving.house import Client, open_house
from tests.serving.models import Adding

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.inference_codec import Tensor
from tidewheel.serving.worker.wrong_values import MOST_BYTES, find_wrong_value


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    house = open_house(tmp_path_factory.mktemp("home"))
    house.deploy(Adding(0.0))
    opened = Client(house.start())
    yield opened
    opened.close()
    house.close()


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "said"),
    [
        ("FP64", [1, 4], [5.1, 3.5, 1.4, "a"], "data[3] is the string 'a' where numbers are taken"),
        ("FP64", [2, 2], [[5.1, 3.5], [1.4, "a"]], "data[1][1] is the string 'a' where numbers are taken"),
        ("FP32", [2], [1, True], "data[1] is true where numbers are taken"),
        ("FP64", [2], [1, {"x": 1}], "data[1] is an object where numbers are taken"),
        ("INT64", [3], [1, 2, 2.5], "data[2] is 2.5, and INT64 takes whole numbers"),
        ("INT32", [2], [1, None], "data[1] is null, and INT32 has no missing value"),
        ("UINT8", [1], ["1"], "data[0] is the string '1' where UINT8's whole numbers are taken"),
        ("BOOL", [2], [True, 1], "data[1] is 1 where true and false are taken"),
        ("FP64", [1], 3.5, "data is 3.5 where an array is wanted"),
    ],
)
def test_the_first_wrong_value_is_named_by_its_place(client, datatype, shape, data, said):
    tensor = {"name": "features", "datatype": datatype, "shape": shape, "data": data}
    answer = client.request("POST", "/v2/models/surge/infer", {"inputs": [tensor]})
    assert answer.status == 400
    assert said in answer.json["error"]


def test_a_text_is_named_too_where_keys_are_read():
    with pytest.raises(InvalidInput, match=r"data\[1\] is 2\.5 where strings are taken"):
        Tensor("zone", "BYTES", [2], msgspec.Raw(b'["a", 2.5]')).texts()


CELLS = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(-(2**60), 2**60),
    strategies.floats(allow_nan=False, allow_infinity=False),
    strategies.text(max_size=5),
)


@given(strategies.lists(CELLS, min_size=1, max_size=20), strategies.sampled_from(["FP64", "INT64", "BOOL"]))
def test_a_wrong_value_is_found_exactly_where_the_decoder_refuses(cells, datatype):
    data = msgspec.Raw(msgspec.json.encode(cells))
    try:
        Tensor("x", datatype, [len(cells)], data).numbers()
    except InvalidInput:
        refused = True
    else:
        refused = False
    found = find_wrong_value(data, datatype)
    assert (found is not None) is refused
    if found is not None:
        prefix = msgspec.Raw(msgspec.json.encode(cells[: int(found.place[5:-1])]))
        assert find_wrong_value(prefix, datatype) is None


def test_data_that_would_keep_others_waiting_are_refused_without_looking_through_them():
    cells = [0.5] * (MOST_BYTES // 4) + ["a"]
    with pytest.raises(InvalidInput, match="are not FP64: Expected") as refused:
        Tensor("x", "FP64", [len(cells)], msgspec.Raw(msgspec.json.encode(cells))).numbers()
    assert "data[" not in str(refused.value)
