"""From a request's tensors to the rows of a version that takes tensors: each input flattened, one behind another.

An input may come in its own shape, or with each row's values flat; a lone one may be called `features`, which is what
formats without names call it. Called by `model_inputs`, in a thread too: it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorSpec, shaped_rows
from tidewheel.serving.signature import check_whole_tensor
from tidewheel.serving.worker.calls import Input
from tidewheel.serving.worker.runtime import LoadedVersion


def tensor_rows(version: LoadedVersion, inputs: Mapping[str, Input]) -> NDArray[np.float64]:
    """The rows for a version of tensors, (rows, values), C-contiguous.

    Raises:
        InvalidInput: if an input is missing, of another shape, or holds what its dtype cannot.
    """
    specs = version.tensors
    lone = inputs.get("features") if len(specs) == 1 else None
    missing = [spec.name for spec in specs if spec.name not in inputs and lone is None]
    if missing:
        raise InvalidInput(f"The input {missing[0]!r} is missing.", fix=f"The model takes {_said(specs)}.")
    parts: list[NDArray[np.float64]] = []
    for spec in specs:
        values = shaped_rows(spec, (inputs.get(spec.name) or inputs["features"]).numbers())
        check_whole_tensor(spec, values)
        parts.append(values)
    lengths = {len(part) for part in parts}
    if len(lengths) > 1:
        raise InvalidInput(f"The inputs differ in their number of rows: {[len(part) for part in parts]}.")
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.hstack(parts))


def _said(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {list(spec.shape)} {spec.dtype}" for spec in specs)
