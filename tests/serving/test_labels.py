"""Labels over HTTP and through the control plane's verb."""

import pytest
from tests.serving.models import Adding

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_instant, to_us


def test_labels_are_logged_when_acknowledged_and_find_their_predictions(house, connect):
    house.deploy(Adding(1.0))
    client = connect(house.start())
    ids = [client.infer([float(number), 0.0]).json["id"] for number in range(5)]
    labels = [{"id": each, "values": {"accepted": True, "value": 12.5}} for each in ids]
    labels[0]["at"] = "2026-01-02T03:04:05Z"
    labels[1]["at"] = 1_700_000_000_000_000
    answer = client.request("POST", "/api/v1/serving/labels", {"labels": labels})
    assert (answer.status, answer.json) == (200, {"accepted": 5})
    _, logged = house.records()
    by_id = {label.id: label for label in logged}
    assert by_id[ids[0]].at_us == to_us(parse_instant("2026-01-02T03:04:05Z"))
    assert by_id[ids[1]].at_us == 1_700_000_000_000_000
    assert by_id[ids[2]].values == {"accepted": 1.0, "value": 12.5}
    found = house.log.find([label.id for label in logged])
    assert [found[each].feature_values()[0] for each in ids] == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    "labels",
    [
        [{"id": "", "values": {"a": 1.0}}],
        [{"id": "x", "values": {}}],
        [{"id": "x", "values": {"a": "yes"}}],
        [{"id": "x", "values": {"a": 1.0}, "at": "yesterday"}],
        [{"id": "x", "values": {"a": 1.0}, "at": -5}],
        [{"values": {"a": 1.0}}],
        [{"id": "fine", "values": {"a": 1.0}}, {"id": "x" * 999, "values": {"a": 1.0}}],
    ],
)
def test_of_labels_that_are_wrong_none_is_taken(house, labels):
    with pytest.raises(InvalidInput):
        house.serving.label(labels)
    assert house.records() == ([], [])


def test_the_control_plane_takes_labels_too(house):
    assert house.serving.label([{"id": "p1", "values": {"accepted": 0.0}}]) == {"accepted": 1}
    _, (label,) = house.records()
    assert (label.id, label.values) == ("p1", {"accepted": 0.0})


def test_bad_labels_over_http_are_a_400(house, connect):
    client = connect(house.start())
    for body in (b"", b"[]", {"labels": [{"id": "x", "values": {"a": None}}]}):
        answer = client.request("POST", "/api/v1/serving/labels", body)
        assert answer.status == 400
        assert "error" in answer.json
