"""A PyTorch module as a predictor, shared by the formats that keep one.

PyTorch has one number of threads for the whole process, so a predictor does not set it: workers do, once a model has
brought PyTorch in (`load.use_one_thread`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.registry.formats import check_width


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
