"""How a trained model becomes files and comes back as a predictor: one file a format, imported only when used.

A new format is a new file in this folder and a row in the table. `saving_format` is asked in the table's order, so the
safest format that takes a model is used; `python`, which takes nearly anything and executes code, comes last of those
that save. `mlflow` only loads what MLflow saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tidewheel.base.errors import Corrupt, InvalidInput

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
        """Write the model's files into an empty folder.

        Raises:
            DoesNotFit: if it turns out that this model needs a format that executes code.
        """

    def load(self, folder: Path) -> Predictor:
        """The predictor of files that `save` wrote.

        Raises:
            Corrupt: if the files cannot be read. A damaged file must never end the process.
            Unavailable: if the model's library is not installed here.
        """


class DoesNotFit(InvalidInput):
    """A model that a safe format cannot hold; a format that executes code could."""


FORMATS: dict[str, str] = {
    "lightgbm": "tidewheel.registry.formats.lightgbm_text:LightgbmText",
    "xgboost": "tidewheel.registry.formats.xgboost_booster:XgboostBooster",
    "onnx": "tidewheel.registry.formats.onnx_graph:OnnxGraph",
    "skops": "tidewheel.registry.formats.skops_estimator:SkopsEstimator",
    "safetensors": "tidewheel.registry.formats.safetensors_layers:SafetensorsLayers",
    "graph": "tidewheel.registry.formats.graph_folder:GraphFolder",
    "torchscript": "tidewheel.registry.formats.torch_script:TorchScript",
    "torch_export": "tidewheel.registry.formats.torch_export:TorchExport",
    "code_graph": "tidewheel.registry.formats.graph_folder:CodeGraphFolder",
    "python": "tidewheel.registry.formats.python_object:PythonObject",
    "mlflow": "tidewheel.registry.formats.mlflow_folder:MlflowFolder",
}
CODE_FREE = ("lightgbm", "xgboost", "onnx", "skops", "safetensors", "graph")
GRAPHS = ("graph", "code_graph")


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
        fix="Give a LightGBM or XGBoost booster, a scikit-learn estimator, an ONNX model, a PyTorch module, or any "
        "object with a predict(X) method, or a function of X.",
    )


def save_model(model: Any, folder: Path, *, trust: bool) -> Format:
    """Keep a model in the safest format that holds it; one that turns out not to fit goes to one that executes code.

    Raises:
        DoesNotFit: if it does not fit and `trust` was not given.
        InvalidInput: if no format takes it.
    """
    found = saving_format(model)
    try:
        found.save(model, folder)
    except DoesNotFit:
        coded = next((each for each in map(open_format, FORMATS) if each.executes_code and each.takes(model)), None)
        if not trust or coded is None:
            raise
        coded.save(model, folder)
        return coded
    return found


def check_width(rows: NDArray[np.float64], width: int) -> None:
    """Refuse rows that are not a table of `width` columns."""
    if rows.ndim != 2 or rows.shape[1] != width:
        raise InvalidInput(
            f"The model takes rows of {width} features, and was given an array of shape {rows.shape}.",
            fix="Give an array of shape (rows, features) with the features of its signature, in order.",
        )


def model_file(folder: Path, names: Sequence[str]) -> Path:
    """The first of some files that the folder has: our own name for it, or the one that MLflow gives it.

    Raises:
        Corrupt: if it has none of them.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise Corrupt(f"There is no {' or '.join(names)} among the model's files.", where=str(folder))


def library_of(model: Any, *names: str) -> bool:
    """Whether a model's class, or one that it inherits from, is of one of these libraries."""
    return any(cls.__module__.split(".")[0] in names for cls in type(model).__mro__)
