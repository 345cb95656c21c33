"""MLflow's model signature and ours, both ways: a JSON list of column or tensor specs, and columns or tensors.

MLflow's columns map one to one. A lone tensor of shape [-1, k] becomes k columns `x0`…: that is a table, whatever its
columns are called. Several tensors, and those of more dimensions, stay tensors. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.records import Signature
from tidewheel.registry.tensors import TensorLayout, TensorSpec

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
    tensors, given = _tensors(section, "inputs", "features"), _tensors(section, "outputs", "output")
    if _are_tensors(tensors):
        return Signature.of_tensors(tensors, given)
    inputs, optional = _columns(section, "inputs", "x{}")
    if any(len(spec.shape) > 2 for spec in given):
        whole = Signature.of_tensors((), given)
        return replace(whole, inputs=tuple(inputs), optional=tuple(optional))
    outputs, _ = _columns(section, "outputs", "output_{}")
    if len(outputs) == 1 and outputs[0][0] in {"output_0", "x0"}:
        outputs = [("output", outputs[0][1])]
    return Signature(tuple(inputs), tuple(outputs), tuple(optional))


def _free_tensors(section: Mapping[str, Any] | None) -> list[str]:
    """The input tensors of more than two dimensions that have another free one than the rows, in words."""
    specs = [] if section is None else _specs(section.get("inputs"), "inputs")
    shapes = [(spec.get("name", "features"), _shape_of(spec)) for spec in specs if spec.get("type") == "tensor"]
    free = [(name, shape) for name, shape in shapes if shape and len(shape) > 2 and min(shape[1:]) < 1]
    return [f"{name} {list(shape)}" for name, shape in free]


def write_signature(signature: Signature) -> dict[str, str | None]:
    """A signature as an MLmodel file keeps it."""
    optional = set(signature.optional)
    inputs = [{"type": _type(dtype), "name": n, "required": n not in optional} for n, dtype in signature.inputs]
    outputs = [{"type": _type(dtype), "name": n, "required": True} for n, dtype in signature.outputs]
    return {
        "inputs": json.dumps(_tensor_specs(signature.input_tensors) or inputs),
        "outputs": json.dumps(_tensor_specs(signature.output_tensors) or outputs),
        "params": None,
    }


def _tensor_specs(tensors: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {"type": "tensor", "name": spec.name, "tensor-spec": {"dtype": spec.dtype, "shape": list(spec.shape)}}
        for spec in tensors
    ]


def mlflow_layout(folder: Path) -> TensorLayout | None:
    """The tensors that the MLmodel file of a folder names; None if there is none, or it names columns.

    Raises:
        InvalidInput: if the file cannot be understood, or another dimension than the rows is free.
    """
    from tidewheel.registry.mlmodel import FILE, parse

    if not (folder / FILE).is_file():
        return None
    section = parse((folder / FILE).read_bytes()).get("signature")
    free = _free_tensors(section)
    if free:
        raise InvalidInput(
            f"The signature leaves more free than the rows: {', '.join(free[:5])}.",
            fix="Log the model with a signature of fixed sizes: mlflow.models.infer_signature(example), or "
            "TensorSpec(dtype, (-1, 3, 32, 32)).",
        )
    return read_signature(section).layout


def is_number(dtype: str) -> bool:
    """Whether a column of this dtype can stand in a table of float64."""
    try:
        return np.dtype(dtype).kind in _NUMBERS
    except TypeError:
        return False


def _are_tensors(inputs: Sequence[TensorSpec]) -> bool:
    """Whether inputs cannot be the columns of one table."""
    return len(inputs) > 1 or any(len(spec.shape) > 2 for spec in inputs)


def _tensors(section: Mapping[str, Any], part: str, unnamed: str) -> list[TensorSpec]:
    """The specs of one part, if all of them are tensors of numbers of which only the rows are free; else none."""
    specs = _specs(section.get(part), part)
    found = []
    for place, spec in enumerate(specs):
        shape = _shape_of(spec)
        if spec.get("type") != "tensor" or shape is None:
            return []
        name = spec.get("name") or (unnamed if len(specs) == 1 else f"{unnamed}_{place}")
        try:
            found.append(TensorSpec(str(name), shape, str(spec["tensor-spec"].get("dtype"))))
        except InvalidInput:
            return []
    return found if len({spec.name for spec in found}) == len(found) else []


def _shape_of(spec: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The shape of a tensor spec, if it says one."""
    tensor = spec.get("tensor-spec")
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    return tuple(shape) if isinstance(shape, list) and all(type(size) is int for size in shape) else None


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
