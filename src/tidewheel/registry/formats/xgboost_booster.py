"""XGBoost's own UBJSON: compact, free of code, and stable across its versions.

What we save answers as the booster does: the probability of a classifier's class (a column each where there are more
than two), the value of a regressor. An estimator stopped early is saved with the rounds that it would use. What MLflow
saved as an estimator answers as that estimator's `predict` does, so a classifier answers with labels; the folder's
MLmodel file says which it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import Predictor, library_of, model_file, ubjson
from tidewheel.registry.formats.xgboost_library import XgboostLibraryBooster

FILES = ("model.ubj", "model.json")
METHODS = {
    "xgboost.core.Booster": "values",
    "xgboost.sklearn.XGBRegressor": "best_values",
    "xgboost.sklearn.XGBRanker": "best_values",
    "xgboost.sklearn.XGBRFRegressor": "best_values",
    "xgboost.sklearn.XGBClassifier": "labels",
    "xgboost.sklearn.XGBRFClassifier": "labels",
}


class XgboostBooster:
    """Keeps `xgboost.Booster` and the boosters within XGBoost's scikit-learn estimators."""

    name = "xgboost"
    executes_code = False

    def takes(self, model: Any) -> bool:
        return library_of(model, "xgboost")

    def save(self, model: Any, folder: Path) -> None:
        booster = _booster_of(model)
        if "c" in (booster.feature_types or ()):
            raise InvalidInput(
                "The booster was trained on pandas categories, which features as numbers cannot carry.",
                fix="Encode categories as integer codes and train with enable_categorical=False.",
            )
        booster.save_model(folder / FILES[0])

    def load(self, folder: Path) -> Predictor:
        path = model_file(folder, FILES)
        _check_whole(path)
        booster = XgboostLibraryBooster(path)
        method = METHODS.get(_model_class(folder), "values")
        best = booster.attribute("best_iteration") if method != "values" else None
        if best is not None:
            booster.use_rounds(int(best) + 1)
        return _Labels(booster) if method == "labels" else booster


class _Labels:
    """A classifier's `predict`: the class of the highest probability, or whether the one is over a half."""

    def __init__(self, booster: XgboostLibraryBooster) -> None:
        self._booster = booster

    def margins(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The booster's, by which it says the label."""
        return self._booster.margins(rows)

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The booster's: what speaks for each class."""
        return self._booster.contributions(rows)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        answers = self._booster.predict(rows)
        if answers.shape[1] == 1:
            return np.asarray(answers > 0.5, dtype=np.float64)
        return np.asarray(answers.argmax(axis=1), dtype=np.float64).reshape(-1, 1)


def _booster_of(model: Any) -> Any:
    if not hasattr(model, "get_booster"):
        return model
    missing = model.get_params().get("missing")
    if missing is not None and not np.isnan(missing):
        raise InvalidInput(
            f"The estimator takes {missing} for a missing value; ours is NaN.",
            fix="Train it with missing=numpy.nan, and put NaN where a value is missing.",
        )
    booster = model.get_booster()
    best = booster.attr("best_iteration")
    return booster[: int(best) + 1] if best is not None else booster


def _check_whole(path: Path) -> None:
    """XGBoost's reader may hang on a file that was cut short."""
    data = path.read_bytes()
    if path.suffix == ".ubj":
        ubjson.check_whole(data)
        return
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Corrupt(
            f"The model file is not JSON: {error}.", where=str(path), fix="Register the model again."
        ) from None


def _model_class(folder: Path) -> str:
    from tidewheel.registry.mlmodel import flavor_section

    return str(flavor_section(folder, "xgboost").get("model_class", ""))
