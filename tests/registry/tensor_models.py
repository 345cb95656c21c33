"""Models of images and sequences, small enough to check by hand, in every library that keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np


def image_graph(batch: int | str = "rows", size: int | str = 4) -> bytes:
    """ONNX: `image` [rows, 3, size, size] to `mean` [rows, 3], and `halved` [rows, 3, size/2, size/2]."""
    from onnx import TensorProto, helper

    half = size // 2 if isinstance(size, int) else "half"
    nodes = [
        helper.make_node("Conv", ["image", "same"], ["mixed"]),
        helper.make_node("GlobalAveragePool", ["mixed"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("MaxPool", ["mixed"], ["halved"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    same = helper.make_tensor("same", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3).ravel())
    shapes = {"image": [batch, 3, size, size], "mean": [batch, 3], "halved": [batch, 3, half, half]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    graph = helper.make_graph(nodes, "g", [values["image"]], [values["mean"], values["halved"]], [same])
    return _model(graph)


def pair_graph() -> bytes:
    """ONNX: token `ids` int64 [rows, 4] and `weights` float [rows, 4] to their products' sum, and the ids again."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "weights"], ["products"]),
        helper.make_node("ReduceSum", ["products", "axis"], ["score"], keepdims=0),
        helper.make_node("Identity", ["ids"], ["echo"]),
    ]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["rows", 4]),
        helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["rows", 4]),
    ]
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows"]),
        helper.make_tensor_value_info("echo", TensorProto.INT64, ["rows", 4]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    return _model(helper.make_graph(nodes, "g", inputs, outputs, [axis]))


def table_graph() -> bytes:
    """ONNX: a table `rows` [rows, 4] to `square` [rows, 2, 2]."""
    from onnx import TensorProto, helper

    node = helper.make_node("Reshape", ["rows", "shape"], ["square"])
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [-1, 2, 2])
    taken = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["rows", 4])
    given = helper.make_tensor_value_info("square", TensorProto.FLOAT, ["rows", 2, 2])
    return _model(helper.make_graph([node], "g", [taken], [given], [shape]))


def _model(graph: Any) -> bytes:
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def image_answers(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `image_graph` answers: `mean` and `halved`."""
    rows, channels, size, _ = images.shape
    halved = images.reshape(rows, channels, size // 2, 2, size // 2, 2).max(axis=(3, 5))
    return images.mean(axis=(2, 3)), halved


def network() -> Any:
    """PyTorch: [rows, 3, 4, 4] to [rows, 2], of layers that safetensors keeps."""
    from torch import manual_seed, nn

    manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2))


def exported() -> Any:
    """The network as a torch.export program."""
    import torch

    dynamic = ({0: torch.export.Dim("rows", min=1)},)
    return torch.export.export(network().eval(), (torch.zeros(2, 3, 4, 4),), dynamic_shapes=dynamic)
