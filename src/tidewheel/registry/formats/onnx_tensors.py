"""ONNX graphs that take or give more than one table: images, sequences, token ids, several inputs.

The graph says its own shapes. A dimension that it leaves free must be given in the declared layout; the first, the
rows, must be free. All outputs that are numbers answer. Called by `onnx_graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.formats.tensor_predictor import TensorPredictor, Tensors
from tidewheel.registry.tensors import TensorLayout, TensorSpec

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_FLOATS = ("tensor(float)", "tensor(double)")


def is_of_tables(session: Any) -> bool:
    """Whether a graph takes one table of floats and gives nothing of more dimensions than a table."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes_table = len(inputs) == 1 and inputs[0].type in _FLOATS and len(inputs[0].shape) == 2
    return takes_table and all(len(each.shape or ()) <= 2 for each in outputs if each.type in _DTYPES)


def onnx_tensors(session: Any, declared: TensorLayout | None) -> TensorPredictor:
    """The predictor of a graph in an onnxruntime session.

    Raises:
        InvalidInput: if the rows are not free, another dimension is and the layout does not fix it, the layout names
            other inputs than the graph, or a tensor is not of numbers.
    """
    inputs = {each.name: each for each in session.get_inputs()}
    given = declared.inputs if declared else ()
    names = _graph_names(list(inputs), given)
    fixed = given or (None,) * len(names)
    specs = tuple(_spec(inputs[name], spec) for name, spec in zip(names, fixed, strict=True))
    outputs = [each for each in session.get_outputs() if each.type in _DTYPES]
    if not outputs:
        raise InvalidInput(
            f"The graph gives {[(o.name, o.type) for o in session.get_outputs()]}, and none is a tensor of numbers.",
            fix="Export it with outputs that are numbers.",
        )
    layout = TensorLayout(specs, declared.outputs if declared else ())
    chosen = [each.name for each in outputs]
    known_as = dict(zip((spec.name for spec in specs), names, strict=True))

    def ask(tensors: Tensors) -> dict[str, Any]:
        feeds = {known_as[name]: tensor for name, tensor in tensors.items()}
        return dict(zip(chosen, session.run(chosen, feeds), strict=True))

    return TensorPredictor(layout, ask)


def _graph_names(graph: list[str], given: Sequence[TensorSpec]) -> list[str]:
    """The graph's names of the declared inputs, in the declared order; a lone one may be called otherwise."""
    names = [spec.name for spec in given]
    if not given or (len(given) == len(graph) == 1):
        return graph
    if sorted(names) != sorted(graph):
        raise InvalidInput(
            f"The graph takes the inputs {', '.join(graph)}, and they are given as {', '.join(names)}.",
            fix="Name the inputs as the graph does.",
        )
    return names


def _spec(tensor: Any, given: TensorSpec | None) -> TensorSpec:
    """An input as the graph and the declared layout say it together."""
    dtype = _DTYPES.get(tensor.type)
    rows, *shape = tensor.shape or [1]
    name = given.name if given else tensor.name
    if dtype is None or isinstance(rows, int):
        raise InvalidInput(
            f"The graph's input {tensor.name!r} is a {tensor.type} of shape {tensor.shape}, and a server needs "
            "numbers for any number of rows.",
            fix="Export it with a free first dimension: torch.onnx.export(…, dynamic_shapes=({0: 'rows'},)).",
        )
    free = given.row_shape if given and len(given.row_shape) == len(shape) else (None,) * len(shape)
    fixed = [size if isinstance(size, int) else other for size, other in zip(shape, free, strict=True)]
    if None in fixed or (given and tuple(fixed) != given.row_shape):
        raise InvalidInput(
            f"The graph's input {tensor.name!r} has shape {tensor.shape}"
            + (f", and it is given as {list(given.shape)}." if given else ", which leaves more free than the rows."),
            fix="Say how large the others are, as in log_model(…, inputs=[tw.TensorSpec('image', (-1, 3, 32, 32))]), "
            "or export the model with fixed sizes.",
        )
    return TensorSpec(name, (-1, *(int(size) for size in fixed if size is not None)), dtype)
