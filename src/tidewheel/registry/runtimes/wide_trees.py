"""Lets trees stand in a graph of 64-bit floats, and compare there as scikit-learn's do.

ONNX's operators for trees (ai.onnx.ml, TreeEnsembleRegressor and TreeEnsembleClassifier up to version 3) take rows and
splits of 64 bits and always answer in 32; skl2onnx says that they answer in 64, and onnxruntime then refuses the graph.
So their answers are made wider before anything reads them. scikit-learn's trees compare a row's values in 32 bits with
splits in 64 (histogram boosting in 64 with 64), so values are rounded as theirs are. Called by `onnx_conversion`.
"""

from __future__ import annotations

from typing import Any

_ANSWER_OF = {"TreeEnsembleRegressor": 0, "TreeEnsembleClassifier": 1}


def widen_trees(proto: Any, estimator: Any) -> None:
    """Change a graph of 64 bits, made from an estimator or pipeline, in place; what it declares stays as it is."""
    from onnx import TensorProto

    single = {each.name for each in proto.graph.output if each.type.tensor_type.elem_type == TensorProto.FLOAT}
    rounds = not _last_step(estimator).startswith("HistGradientBoosting")
    nodes: list[Any] = []
    for each in proto.graph.node:
        node = type(each).FromString(each.SerializeToString())  # a copy, which emptying the list leaves whole
        before, after = _around(node, rounds, single) if node.op_type in _ANSWER_OF else ([], [])
        nodes += [*before, node, *after]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _around(node: Any, rounds: bool, single: set[str]) -> tuple[list[Any], list[Any]]:
    """What goes before an operator of trees, and after it; its own inputs and outputs are renamed to fit."""
    from onnx import TensorProto, helper

    before, after = [], []
    if rounds:
        given, name = node.input[0], f"{node.name}_rounded"
        before.append(helper.make_node("Cast", [given], [f"{name}_to_32_bits"], to=TensorProto.FLOAT))
        before.append(helper.make_node("Cast", [f"{name}_to_32_bits"], [name], to=TensorProto.DOUBLE))
        node.input[0] = name
    place = _ANSWER_OF[node.op_type]
    answer = node.output[place]
    if answer not in single:
        node.output[place] = f"{answer}_in_32_bits"
        after.append(helper.make_node("Cast", [node.output[place]], [answer], to=TensorProto.DOUBLE))
    return before, after


def _last_step(estimator: Any) -> str:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return type(last).__name__
