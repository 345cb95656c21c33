"""scikit-learn estimators and pipelines, kept by skops: nothing but types that it knows, so loading runs no code.

Trusted are the types that skops itself trusts; trees, once `tree_bounds` has looked at them; a few classes within
scikit-learn's estimators that are plain Python; and the estimators of LightGBM and XGBoost, whose state is read by
their own parsers. A model that holds any other type (a class or function of the project, say) does not fit: `python`
keeps it, with trust. Which method answers is decided when the model is saved and stands in the MLmodel file beside it:
`predict_proba` where there is one, else `predict`. Of two classes the answer is the probability of the second, as
LightGBM's is; but what MLflow saved answers as its pyfunc does, with both. skops writes memory addresses and times into
its archive, so equal models differ in their bytes.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.registry.formats import DoesNotFit, check_width, library_of, model_file, tree_bounds

_FILE = "model.skops"
TRUSTED = (
    *tree_bounds.TYPES,
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    *(f"lightgbm.sklearn.LGBM{kind}" for kind in ("Classifier", "Ranker", "Regressor")),
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(f"sklearn.gaussian_process.kernels.{kind}" for kind in ("ConstantKernel", "Matern", "Product", "RBF", "Sum")),
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "xgboost.core.Booster",
    *(f"xgboost.sklearn.XGB{kind}" for kind in ("Classifier", "Ranker", "Regressor")),
)
_UNPACKED_FREELY_BYTES = 64 * 2**20
_MOST_EXPANSION = 50
_METHODS = ("predict_proba", "predict")


class SkopsEstimator:
    """Keeps estimators of scikit-learn and of libraries that build on it."""

    name = "skops"
    executes_code = False

    def takes(self, model: Any) -> bool:
        return library_of(model, "sklearn") and callable(getattr(model, "predict", None))

    def save(self, model: Any, folder: Path) -> None:
        skops = _skops()
        try:
            data = skops.dumps(model)
            unknown = _unknown(skops.get_untrusted_types(data=data))
            tree_bounds.check_trees(model)
        except Exception as error:  # an object that skops cannot take apart: its errors share no base
            raise _does_not_fit(f"skops cannot keep it ({type(error).__name__}: {error})") from error
        if unknown:
            raise _does_not_fit(f"it holds {', '.join(unknown[:5])}, which skops does not know to be safe")
        (folder / _FILE).write_bytes(data)

    def load(self, folder: Path) -> SkopsPredictor:
        method, by_mlflow = _recorded_method(folder)
        return SkopsPredictor(self.estimator(folder), method, both_classes=by_mlflow)

    def estimator(self, folder: Path) -> Any:
        """The estimator itself, for those that make something else of it."""
        skops, file = _skops(), model_file(folder, (_FILE,))
        try:
            _check_size(file)
            unknown = _unknown(skops.get_untrusted_types(file=file))
            if not unknown:
                model = skops.load(file, trusted=list(TRUSTED))
                tree_bounds.check_trees(model)
                return model
        except ImportError as error:
            raise Unavailable(f"The model needs a library that is not installed here: {error}.") from error
        except (Corrupt, InvalidInput):
            raise
        except Exception as error:  # a damaged archive fails in any of a dozen ways
            raise Corrupt(f"skops cannot read the model: {type(error).__name__}: {error}", where=str(file)) from error
        raise Corrupt(
            f"The model holds {', '.join(unknown[:5])}, which skops does not know to be safe.",
            where=str(file),
            fix="Register it as python or mlflow, with trust, if you know where it came from.",
        )


class SkopsPredictor:
    """Asks an estimator, with the names that it was trained with where it insists on them."""

    def __init__(self, model: Any, method: str | None, *, both_classes: bool = False) -> None:
        """`method` answers; None stands for the first of `predict_proba` and `predict` that there is.

        `both_classes` says that of two classes both probabilities are answered, and not the second alone.

        Raises:
            InvalidInput: if the estimator has no such method.
        """
        self.estimator = model
        self.method = method or next(name for name in _METHODS if hasattr(model, name))
        self.second_class = self.method == "predict_proba" and not both_classes
        """Whether of two classes the probability of the second is the answer."""
        if not callable(getattr(model, self.method, None)):
            raise InvalidInput(f"The estimator has no method {self.method!r}.", fix="Log it again.")
        # Trained on a data frame, it wants one or else warns at every call; the order of columns is the signature's.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        _use_one_core(model)
        self._ask: Callable[[Any], Any] = getattr(model, self.method)
        self._width = getattr(model, "n_features_in_", None)
        self._frame_columns = list(model.feature_names_in_) if _insists_on_names(model, self._ask) else None

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._width is not None:
            check_width(rows, self._width)
        answers = self._ask(rows if self._frame_columns is None else _frame(rows, self._frame_columns))
        if isinstance(answers, list):  # one array for each of many labels
            answers = np.hstack(answers)
        try:
            outputs = np.asarray(answers, dtype=np.float64).reshape(len(rows), -1)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"The estimator answers with {np.asarray(answers).dtype}, and predictions are numbers.",
                fix="Train it on labels that are numbers.",
            ) from None
        return outputs[:, 1:] if self.second_class and outputs.shape[1] == 2 else outputs


def answering_method(model: Any) -> str:
    """The method of an estimator that answers once it is saved."""
    return next((name for name in _METHODS if hasattr(model, name)), "predict")


def _recorded_method(folder: Path) -> tuple[str | None, bool]:
    """The method in the MLmodel file, and whether MLflow wrote that; its flavours of boosters have none: `predict`."""
    from tidewheel.registry.mlmodel import flavor_section, is_ours

    section = flavor_section(folder, "python_function")
    return (str(section.get("predict_fn") or "predict"), not is_ours(folder)) if section else (None, False)


def _insists_on_names(model: Any, ask: Callable[[Any], Any]) -> bool:
    """Whether a model trained on a data frame cannot do without one, as a ColumnTransformer that picks by name."""
    if not hasattr(model, "feature_names_in_"):
        return False
    try:
        ask(np.zeros((1, len(model.feature_names_in_))))
    except (ValueError, TypeError):
        return True
    return False


def _frame(rows: NDArray[np.float64], columns: list[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns, copy=False)


def _use_one_core(model: Any) -> None:
    parameters = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    many = {name: 1 for name, value in parameters.items() if name.rpartition("__")[2] == "n_jobs" and value != 1}
    if many:
        model.set_params(**many)


def _unknown(untrusted: list[str]) -> list[str]:
    return sorted(set(untrusted) - set(TRUSTED))


def _check_size(file: Path) -> None:
    """Refuse an archive that unpacks to far more than it is. Its directory is believed: nobody reads past what it says.

    Raises:
        Corrupt: if it does, or is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(each.file_size for each in archive.infolist())
    if unpacked > max(_UNPACKED_FREELY_BYTES, _MOST_EXPANSION * file.stat().st_size):
        raise Corrupt(
            f"The model unpacks to {unpacked} bytes, over {_MOST_EXPANSION} times its size.",
            where=str(file),
            fix="Dump it again without compression, as skops does by itself.",
        )


def _does_not_fit(why: str) -> DoesNotFit:
    return DoesNotFit(
        f"This estimator cannot be kept without code: {why}.",
        fix="Pass trust=True: it is then pickled, and runs code when loaded. Or build it of scikit-learn's own parts.",
    )


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        raise Unavailable("skops is not installed here.", fix='Install it: pip install "tidewheel[sklearn]".') from None
    return skops.io
