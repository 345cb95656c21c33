"""MLflow's model signature and ours, both ways: a JSON list of column or tensor specs, and named columns with dtypes.

MLflow's columns map one to one. A lone tensor of shape [-1, k] becomes k columns `x0`…: predictors take tables of
numbers, and a request may give the table whole whatever its columns are called. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.records import Signature

_DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
_TYPES = {dtype: name for name, dtype in _DTYPES.items()}
_NUMBERS = frozenset("biuf")
_MOST_COLUMNS = 100_000


def read_signature(section: Mapping[str, Any] | None) -> Signature:
    """The signature in an MLmodel file; no columns where it says nothing of them.

    Raises:
        InvalidInput: if a spec cannot be understood.
    """
    if section is None:
        return Signature((), ())
    inputs, optional = _columns(section, "inputs", "x{}")
    outputs, _ = _columns(section, "outputs", "output_{}")
    if len(outputs) == 1 and outputs[0][0] in {"output_0", "x0"}:
        outputs = [("output", outputs[0][1])]
    return Signature(tuple(inputs), tuple(outputs), tuple(optional))


def write_signature(signature: Signature) -> dict[str, str | None]:
    """A signature as an MLmodel file keeps it."""
    optional = set(signature.optional)
    inputs = [{"type": _type(dtype), "name": n, "required": n not in optional} for n, dtype in signature.inputs]
    outputs = [{"type": _type(dtype), "name": n, "required": True} for n, dtype in signature.outputs]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def is_number(dtype: str) -> bool:
    """Whether a column of this dtype can stand in a table of float64."""
    try:
        return np.dtype(dtype).kind in _NUMBERS
    except TypeError:
        return False


def _columns(section: Mapping[str, Any], part: str, unnamed: str) -> tuple[list[tuple[str, str]], list[str]]:
    specs = _specs(section.get(part), part)
    columns: list[tuple[str, str]] = []
    optional: list[str] = []
    for place, spec in enumerate(specs):
        if spec.get("type") == "tensor":
            columns += _tensor_columns(spec, place, unnamed, part)
        else:
            name = str(spec.get("name", unnamed.format(place)))
            columns.append((name, _DTYPES.get(str(spec.get("type")), "object")))
            if spec.get("required") is False or spec.get("optional") is True:
                optional.append(name)
        if len(columns) > _MOST_COLUMNS:
            raise _bad(part, f"it has more than {_MOST_COLUMNS} columns")
    if len({name for name, _ in columns}) != len(columns):
        raise _bad(part, "two columns have one name")
    return columns, optional


def _specs(text: Any, part: str) -> list[dict[str, Any]]:
    if text is None:
        return []
    try:
        specs = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise _bad(part, str(error)) from None
    if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
        raise _bad(part, "a list of columns or tensors is wanted")
    return specs


def _tensor_columns(spec: Mapping[str, Any], place: int, unnamed: str, part: str) -> list[tuple[str, str]]:
    tensor = spec.get("tensor-spec")
    if not isinstance(tensor, dict) or not isinstance(tensor.get("shape"), list):
        raise _bad(part, f"tensor {place} says no shape")
    dtype, shape = str(tensor.get("dtype", "object")), tensor["shape"]
    width = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else 1 if len(shape) <= 1 else -1
    name = spec.get("name")
    if width == -1:  # as wide as it likes, or of more dimensions than a table: the model itself knows
        return [] if part == "inputs" else [(str(name or "output"), dtype)]
    if not 1 <= width <= _MOST_COLUMNS:
        raise _bad(part, f"tensor {place} has shape {shape}")
    if name is None:
        return [(unnamed.format(place + column), dtype) for column in range(width)]
    return [(str(name) if width == 1 else f"{name}_{column}", dtype) for column in range(width)]


def _type(dtype: str) -> str:
    """MLflow's nearest type; its numbers are these five and text."""
    if dtype in _TYPES:
        return _TYPES[dtype]
    if is_number(dtype):
        return {"f": "float", "i": "integer", "u": "long", "b": "boolean"}[np.dtype(dtype).kind]
    return "string"


def _bad(part: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"The signature's {part} cannot be read: {why[:200]}.",
        where=f"MLmodel: signature.{part}",
        fix="Log the model again with a signature (mlflow.models.infer_signature).",
    )
