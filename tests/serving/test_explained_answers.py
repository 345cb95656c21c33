"""`parameters: {"explain": true}`: an answer that says what each feature added to it."""

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.registry import Signature
from tidewheel.registry.formats import saving_format

ROWS = np.random.default_rng(3).normal(size=(200, 3))


class Weighted:
    """A model whose explanation is known: 2a - b, and nothing of c."""

    def predict(self, rows):
        return 2 * rows[:, :1] - rows[:, 1:2]


def deploy(house, model, rows=len(ROWS), **options):
    folder = house.home / "model"
    folder.mkdir()
    kind = saving_format(model)
    kind.save(model, folder)
    version = house.registry.register(
        "surge",
        format=kind.name,
        folder=folder,
        signature=Signature.of(["a", "b", "c"], ["p"]),
        sample=pa.table({name: ROWS[:rows, place] for place, name in enumerate("abc")}),
        trust=True,
    )
    house.serving.create_endpoint("surge")
    house.serving.configure_endpoint("surge", **options)
    house.serving.set_route("surge", {version.id: 100.0})


def tensors(answer):
    assert answer.status == 200, answer.body
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json["outputs"]}


def test_the_attributions_of_trees_add_up_to_their_margin(house, connect):
    import lightgbm

    model = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1}, lightgbm.Dataset(ROWS, ROWS[:, 0] > 0), 20
    )
    deploy(house, model)
    client = connect(house.start())
    answer = client.infer(*ROWS[:3].tolist(), parameters={"explain": True})
    found = tensors(answer)
    assert answer.json["parameters"]["attributions_scale"] == "margin"
    assert answer.json["parameters"]["attributions_method"] == "tree_shap"
    margins = found["attributions"].sum(axis=1) + found["attributions_base"]
    np.testing.assert_allclose(1 / (1 + np.exp(-margins)), found["p"], atol=1e-9)
    np.testing.assert_allclose(margins, model.predict(ROWS[:3], raw_score=True), atol=1e-9)
    plain = tensors(client.infer(*ROWS[:3].tolist()))
    assert plain.keys() == {"p"}


@pytest.mark.parametrize("isolated", [False, True])
def test_any_model_can_be_explained_by_asking_it_wherever_it_runs(house, connect, isolated):
    deploy(house, Weighted(), isolated=isolated)
    client = connect(house.start())
    answer = client.infer(ROWS[0].tolist(), parameters={"explain": True})
    found = tensors(answer)
    assert answer.json["parameters"]["attributions_method"] == "sampled"
    expected = (ROWS[0] - ROWS.mean(axis=0)) * [2.0, -1.0, 0.0]
    np.testing.assert_allclose(found["attributions"][0], expected, atol=0.3)
    assert found["attributions"][0, 2] == 0.0
    assert np.isclose(found["attributions"].sum() + found["attributions_base"][0], found["p"][0])


def test_an_explanation_holds_no_other_request_up(house, connect):
    deploy(house, Weighted())
    group = house.start()
    client = connect(group)
    for _ in range(3):
        answers = [client.infer(ROWS[1].tolist()), client.infer(ROWS[0].tolist(), parameters={"explain": True})]
        assert [answer.status for answer in answers] == [200, 200]
    assert len(house.records()[0]) == 6


def test_without_anything_to_explain_against_the_answer_says_what_to_do(house, connect):
    house.deploy(Weighted())
    client = connect(house.start())
    answer = client.infer([1.0, 2.0], parameters={"explain": True})
    assert answer.status == 400, answer.body


def test_a_table_is_explained_beside_its_predictions_as_tensors_are(house, connect):
    deploy(house, Weighted())
    client = connect(house.start())
    tensor = client.infer(ROWS[0].tolist(), parameters={"explain": True})
    body = {"inputs": [ROWS[0].tolist()], "params": {"explain": True}}
    answer = client.request("POST", "/invocations", body)
    assert answer.status == 200, answer.body
    told = answer.json["explanation"]
    np.testing.assert_allclose(told["attributions"], tensors(tensor)["attributions"])
    assert (told["attributions_scale"], told["attributions_method"]) == ("output", "sampled")
    assert "attributions_warning" not in told
    plain = client.request("POST", "/invocations", {"inputs": [ROWS[0].tolist()]}).json
    assert plain == {"predictions": answer.json["predictions"]}


def test_an_explanation_against_a_handful_of_rows_warns_of_it(house, connect):
    deploy(house, Weighted(), rows=3)
    client = connect(house.start())
    answer = client.infer(ROWS[0].tolist(), parameters={"explain": True})
    warning = answer.json["parameters"]["attributions_warning"]
    assert "compared with 3 rows only" in warning
    assert "rows=" in warning


@pytest.mark.parametrize("given", ["yes", 1, [True]])
def test_to_ask_for_an_explanation_in_anything_but_true_or_false_is_refused(house, connect, given):
    deploy(house, Weighted())
    client = connect(house.start())
    body = {"inputs": [ROWS[0].tolist()], "params": {"explain": given}}
    for answer in (
        client.infer(ROWS[0].tolist(), parameters={"explain": given}),
        client.request("POST", "/invocations", body),
    ):
        assert answer.status == 400
        assert "parameters.explain) Give true or false" in answer.json["error"]
    assert client.infer(ROWS[0].tolist(), parameters={"explain": False, "mine": "kept"}).status == 200
