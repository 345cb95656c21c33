"""A PyTorch module as a predictor, shared by the formats that keep one.

PyTorch has one number of threads for the whole process, so a predictor does not set it: workers do, once a model has
brought PyTorch in (`load.use_one_thread`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.registry.formats import Predictor, check_width
from tidewheel.registry.formats.tensor_predictor import TensorPredictor, Tensors
from tidewheel.registry.tensors import TensorLayout


class TorchPredictor:
    """Asks a module for one tensor of numbers."""

    def __init__(self, module: Any, *, width: int | None, dtype: Any) -> None:
        self._torch = torch()
        self._module = module
        self._width = width
        self._dtype = dtype

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._width is not None:
            check_width(rows, self._width)
        with self._torch.inference_mode():
            try:
                answers = self._module(self._torch.tensor(rows, dtype=self._dtype))
            except RuntimeError as error:
                raise InvalidInput(f"The module refuses rows of shape {rows.shape}: {str(error)[:200]}.") from error
        if not isinstance(answers, self._torch.Tensor):
            raise InvalidInput(
                f"The module answers with {type(answers).__name__}.", fix="Its forward must return one tensor."
            )
        outputs: NDArray[np.float64] = answers.to(self._torch.float64).reshape(len(rows), -1).numpy()
        return outputs


def torch_predictor(module: Any, layout: TensorLayout | None, *, width: int | None, dtype: Any) -> Predictor:
    """A module's predictor: of tensors where a layout names them, in the order of its arguments, else of a table."""
    if layout is None:
        return TorchPredictor(module, width=width, dtype=dtype)
    library = torch()

    def ask(tensors: Tensors) -> Any:
        with library.inference_mode():
            try:
                answers = module(*(library.from_numpy(tensor) for tensor in tensors.values()))
            except RuntimeError as error:
                shapes = {name: tensor.shape for name, tensor in tensors.items()}
                raise InvalidInput(f"The module refuses {shapes}: {str(error)[:200]}.") from error
        return _as_arrays(answers)

    return TensorPredictor(layout, ask)


def _as_arrays(answers: Any) -> Any:
    """What a module answers, with arrays in the place of tensors."""
    library = torch()
    if isinstance(answers, library.Tensor):
        return answers.to(library.float32).numpy() if answers.dtype == library.bfloat16 else answers.numpy()
    if isinstance(answers, dict):
        return {name: _as_arrays(value) for name, value in answers.items()}
    return [_as_arrays(value) for value in answers] if isinstance(answers, list | tuple) else answers


def dtype_of(tensors: Any) -> Any:
    """The dtype of the first tensor of floats; PyTorch's own default where there is none."""
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch().get_default_dtype())


def torch() -> Any:
    """The library, imported when first needed."""
    try:
        import torch as library
    except ImportError:
        raise Unavailable("PyTorch is not installed here.", fix='pip install "tidewheel[torch]".') from None
    return library
