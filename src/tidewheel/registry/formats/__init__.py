"""How a trained model becomes files and comes back as a predictor: one file a format, imported only when used.

A new format is a new file in this folder and a row in the table. `saving_format` is asked in the table's order, so the
safest format that takes a model is used; `python`, which takes nearly anything and executes code, comes last.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tidewheel.base.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Predictor(Protocol):
    """A loaded model. It may be used from many threads, uses one core, and never changes what it was given."""

    def predict(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Answer n rows of k features (C-contiguous float64, NaN = missing) with n rows of m outputs.

        Raises:
            InvalidInput: if k is not what the model was trained on.
        """


class Format(Protocol):
    """A way of keeping models. `executes_code` says whether loading runs code that the file brings along."""

    name: str
    executes_code: bool

    def takes(self, model: Any) -> bool:
        """Whether `save` can keep this model. Must not import the model's library."""

    def save(self, model: Any, folder: Path) -> None:
        """Write the model's files into an empty folder."""

    def load(self, folder: Path) -> Predictor:
        """The predictor of files that `save` wrote."""


FORMATS: dict[str, str] = {
    "lightgbm": "tidewheel.registry.formats.lightgbm_text:LightgbmText",
    "onnx": "tidewheel.registry.formats.onnx_graph:OnnxGraph",
    "python": "tidewheel.registry.formats.python_object:PythonObject",
}


def open_format(name: str) -> Format:
    """The format of a name.

    Raises:
        InvalidInput: if there is none.
    """
    try:
        module, _, attribute = FORMATS[name].partition(":")
    except KeyError:
        raise InvalidInput(f"There is no model format {name!r}.", fix=f"Use one of {', '.join(FORMATS)}.") from None
    found: Format = getattr(import_module(module), attribute)()
    return found


def saving_format(model: Any) -> Format:
    """The first format that takes a model.

    Raises:
        InvalidInput: if none does.
    """
    for name in FORMATS:
        candidate = open_format(name)
        if candidate.takes(model):
            return candidate
    raise InvalidInput(
        f"No format takes a model of type {type(model).__module__}.{type(model).__qualname__}.",
        fix="Give a LightGBM booster, an ONNX model, or any object with a predict(X) method.",
    )


def check_width(rows: NDArray[np.float64], width: int) -> None:
    """Refuse rows that are not a table of `width` columns."""
    if rows.ndim != 2 or rows.shape[1] != width:
        raise InvalidInput(
            f"The model takes rows of {width} features, and was given an array of shape {rows.shape}.",
            fix="Give an array of shape (rows, features) with the features of its signature, in order.",
        )
