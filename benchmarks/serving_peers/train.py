"""Trains what every server of `bench_serving` answers with, and writes down what the right answers are.

    python train.py FOLDER      (in the environment `models`)

Trees: LightGBM, 200 trees of 31 leaves on 30 features, as LightGBM text, joblib and ONNX. Network: three layers of 1024
with ReLU and random weights, as ONNX; its cost does not depend on what it has learned. `rows.npy` are rows to ask for;
`trees.npy` and `network.npy` what LightGBM and numpy answer to them.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

FEATURES, TREES, LEAVES, WIDTH, LAYERS = 30, 200, 31, 1024, 3
OPSET = 17


def main() -> None:
    """Write all files."""
    folder = Path(sys.argv[1])
    draws = np.random.default_rng(1)
    rows = draws.normal(size=(256, FEATURES)).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    booster = train_trees(draws)
    booster.save_model(folder / "model.txt")
    joblib.dump(booster, folder / "model.joblib")
    inputs = [("features", FloatTensorType([None, FEATURES]))]
    onnx.save(convert_lightgbm(booster, initial_types=inputs, target_opset=15), folder / "trees.onnx")
    np.save(folder / "trees.npy", booster.predict(rows.astype(np.float64)))
    weights = draw_network(draws)
    onnx.save(network(weights), folder / "network.onnx")
    np.save(folder / "network.npy", answer(weights, rows))


def train_trees(draws: np.random.Generator) -> lightgbm.Booster:
    """A regression on noise with some structure: every tree is grown to all its leaves."""
    rows = draws.normal(size=(5000, FEATURES))
    truth = rows[:, 0] + rows[:, 1] * rows[:, 2] + draws.normal(size=len(rows))
    options = {"objective": "regression", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 2}
    return lightgbm.train(options, lightgbm.Dataset(rows, truth), num_boost_round=TREES)


def draw_network(draws: np.random.Generator) -> list[np.ndarray]:
    """The weights of each layer, (inputs, outputs), scaled so that values neither vanish nor grow."""
    sizes = [FEATURES, *[WIDTH] * LAYERS, 1]
    return [(draws.normal(size=pair) * np.sqrt(2 / pair[0])).astype(np.float32) for pair in pairwise(sizes)]


def answer(weights: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """What the network answers, in float64."""
    values = rows.astype(np.float64)
    for layer in weights[:-1]:
        values = np.maximum(values @ layer, 0)
    return (values @ weights[-1]).ravel()


def network(weights: list[np.ndarray]) -> onnx.ModelProto:
    """The same as a graph."""
    nodes, last = [], "features"
    for number, _ in enumerate(weights):
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [f"m{number}"]))
        last = f"m{number}"
        if number < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [last], [f"r{number}"]))
            last = f"r{number}"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(layer, f"w{number}") for number, layer in enumerate(weights)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


if __name__ == "__main__":
    main()
