"""A caller whose request a model fails on is told in the model's own words, and whether the rows are to be mended."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies
from tests.serving.house import Client, open_house, until

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.serving.worker.isolation.keeper import ModelFailed
from tidewheel.serving.worker.model_failures import ModelRefused, failure_of, words_of

ENDPOINTS = ("within", "apart")


class Particular:
    """Refuses what scikit-learn refuses, in its words; fails on 13, and answers the first column."""

    def predict(self, rows):
        if not np.isfinite(rows).all():
            raise ValueError("Input X contains NaN.\nParticular does not accept missing values encoded as NaN")
        if (rows == 13).any():
            raise KeyError("no bucket for 13 in /home/someone/models/buckets.json")
        return rows[:, :1]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    opened = open_house(tmp_path_factory.mktemp("home"))
    for name in ENDPOINTS:
        opened.deploy_as(name, Particular(), isolated=name == "apart")
    priced = opened.register_zones(Particular())
    opened.serving.create_endpoint("priced")
    opened.serving.set_route("priced", {priced.id: 100.0})
    opened.group = opened.start()
    yield opened
    opened.close()


@pytest.fixture
def client(house):
    opened = Client(house.group)
    yield opened
    opened.close()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_missing_value_that_the_model_refuses_is_the_callers_to_mend_and_is_named(client, endpoint):
    answer = client.infer([1.0, 2.0], [3.0, None], path=endpoint)
    assert answer.status == 400
    said = answer.json["error"]
    assert "Input X contains NaN" in said
    assert "'b' is missing in row 1" in said
    assert "Particular does not accept" not in said  # one line
    assert "Traceback" not in said


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_any_other_failure_is_the_models_and_says_so_in_its_words_without_a_path(client, endpoint):
    answer = client.infer([13.0, 2.0], path=endpoint)
    assert answer.status == 500
    assert "KeyError: 'no bucket for 13 in (a path)" in answer.json["error"]
    assert "someone" not in answer.json["error"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_one_poisoned_row_fails_alone_among_requests_computed_together(client, endpoint):
    for row in ([1.0, 2.0], [2.0, None], [13.0, 2.0], [4.0, 2.0]):
        client.send_infer(row, path=endpoint)
    answers = [client.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 400, 500, 200]
    assert answers[3].json["outputs"][0]["data"] == [4.0]


def test_a_table_and_a_csv_hear_the_same(client):
    table = {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, None]]}}
    body = json.dumps(table).encode()
    for sent, kind in ((body, "application/json"), (b"a,b\n1,\n", "text/csv")):
        answer = client.request("POST", "/v2/models/within/invocations", sent, content_type=kind)
        assert answer.status == 400
        assert "'b' is missing in row 0" in answer.json["error"]


def test_a_feature_that_was_looked_up_and_is_missing_is_not_the_callers_and_is_named(client):
    def asked(**inputs):
        kinds = {"zone": ("BYTES", ["nowhere"]), "drivers": ("FP64", [2.0]), "demand": ("FP64", [None])} | inputs
        tensors = [
            {"name": n, "datatype": kind, "shape": [1], "data": data} for n, (kind, data) in kinds.items() if data
        ]
        return client.request("POST", "/v2/models/priced/infer", {"inputs": tensors})

    looked_up = asked(demand=("FP64", []))
    assert looked_up.status == 500
    assert "which was looked up, is missing for row 0: ValueError: Input X contains NaN" in looked_up.json["error"]
    given_missing = asked()
    assert given_missing.status == 400, given_missing.body
    assert "is missing in row 0" in given_missing.json["error"]


def test_a_refusal_is_logged_against_the_version_as_a_candidate_may_refuse_what_the_champion_answers(house, client):
    client.infer([5.0, None], path="within", id="refused-row")
    until(lambda: any(record.id == "refused-row" for record in house.records()[0]))
    record = next(record for record in house.records()[0] if record.id == "refused-row")
    assert record.status == 500


class Version:
    """What `failure_of` reads of a version."""

    def __init__(self, names=("a", "b")):
        self.logged_names = list(names)
        self.unsigned = not names
        self.plan = None


@pytest.mark.parametrize(
    ("error", "value", "status"),
    [
        (ValueError("no"), np.nan, 400),
        (TypeError("no"), np.inf, 400),
        (InvalidInput("no"), np.nan, 400),
        (ModelFailed("ValueError: no", of_values=True), np.nan, 400),
        (ModelFailed("KeyError: no"), np.nan, 500),
        (RuntimeError("no"), np.nan, 500),
        (ValueError("no"), 1.0, 500),
        (InvalidInput("no"), 1.0, 500),
        (Corrupt("no"), np.nan, 500),
    ],
)
def test_only_a_refusal_of_values_of_rows_with_gaps_is_the_callers(error, value, status):
    told, found = failure_of(Version(), np.array([[1.0, value]]), error)
    assert found == status
    assert isinstance(told, ModelRefused) == (status == 400)


class Mute(ValueError):
    """An exception that cannot even be said."""

    def __str__(self):
        raise RuntimeError("unsaid")


def test_an_exception_that_cannot_be_said_is_told_by_its_name():
    told, status = failure_of(Version(), np.array([[1.0, np.nan]]), Mute())
    assert (status, "The model refuses the request: Mute." in str(told)) == (400, True)
    assert words_of(Mute()) == "Mute"


def test_a_version_without_a_signature_is_told_of_by_the_number_of_the_column():
    told, status = failure_of(Version(()), np.array([[0.0, -np.inf]]), ValueError("X is too large"))
    assert (status, "column 1 is infinite in row 0" in str(told)) == (400, True)


@given(strategies.text(max_size=2000))
def test_whatever_a_model_says_comes_as_one_bounded_printable_line(said):
    told = words_of(RuntimeError(said))
    assert told.startswith("RuntimeError")
    assert len(told) <= 300
    assert told.isprintable()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot open /var/lib/models/m.bin", "OSError: cannot open (a path)"),
        ("see https://scikit-learn.org/stable/modules", "OSError: see https://scikit-learn.org/stable/modules"),
        ("a/b is 3 and 1/2", "OSError: a/b is 3 and 1/2"),
        ("", "OSError"),
    ],
)
def test_paths_are_left_out_of_a_models_words_and_nothing_else(said, told):
    assert words_of(OSError(said)) == told
