"""Models of the formats without code answer over HTTP as they do in memory."""

import numpy as np
import pytest
from tests.serving.house import Client, House

from tidewheel.registry import Signature
from tidewheel.registry.formats import saving_format

ROWS = np.random.default_rng(4).normal(size=(60, 2))
LABELS = (ROWS[:, 0] > 0).astype(int)


def skops_model():
    pytest.importorskip("skops")
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)
    return model, model.predict_proba(ROWS)[:, 1]


def xgboost_model():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(ROWS, LABELS), 5)
    return model, model.predict(xgboost.DMatrix(ROWS))


@pytest.mark.parametrize("make", [skops_model, xgboost_model])
def test_a_deployed_model_answers_as_in_memory(make, house: House):
    model, expected = make()
    found = saving_format(model)
    folder = house.home / "model"
    folder.mkdir()
    found.save(model, folder)
    version = house.registry.register(
        "surge", format=found.name, folder=folder, signature=Signature.of(["a", "b"], ["p"])
    )
    assert version.trusted_by is None
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    client = Client(house.start())
    answer = client.infer(*ROWS.tolist())
    client.close()
    np.testing.assert_allclose(answer.json["outputs"][0]["data"], expected, rtol=1e-6)
