"""Graphs, with and without code of their own, answer over HTTP as they do in memory."""

import numpy as np
import pytest
from tests.serving.house import Client, House

import tidewheel as tw
from tidewheel.registry import Signature
from tidewheel.registry.formats import save_model

ROWS = np.random.default_rng(4).normal(size=(60, 2))


@pytest.mark.parametrize("with_code", [False, True])
def test_a_deployed_graph_answers_as_in_memory(with_code, house: House):
    lightgbm = pytest.importorskip("lightgbm")
    asked = {"objective": "regression", "verbose": -1, "num_threads": 1}
    trees = lightgbm.train(asked, lightgbm.Dataset(ROWS, ROWS[:, 0]), 5)
    other = tw.nodes.Model(lambda rows: rows[:, 0] * 3.0, of=["b"]) if with_code else tw.nodes.Clip("b", low=0)
    nodes = {"trees": tw.nodes.Model(trees, of=["a", "b"]), "other": other, "both": tw.nodes.Mean(["trees", "other"])}
    folder = house.home / "model"
    folder.mkdir()
    found = save_model(tw.Graph(["a", "b"], nodes, output="both"), folder, trust=with_code)
    signature = Signature.of(["a", "b"], ["p"])
    version = house.registry.register("surge", format=found.name, folder=folder, signature=signature, trust=with_code)
    assert (found.name, version.executes_code) == (("code_graph", True) if with_code else ("graph", False))
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {version.id: 100.0})
    client = Client(house.start())
    answer = client.infer(*ROWS.tolist())
    client.close()
    second = ROWS[:, 1] * 3.0 if with_code else np.maximum(ROWS[:, 1], 0)
    expected = (trees.predict(ROWS) + second) / 2
    np.testing.assert_allclose(answer.json["outputs"][0]["data"], expected, rtol=1e-6)
