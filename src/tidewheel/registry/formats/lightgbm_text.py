"""LightGBM's own text format: readable, free of code, and stable across its versions.

Saving asks the booster; loading asks only LightGBM's C library, see `lightgbm_library.py` for why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.formats import library_of, model_file
from tidewheel.registry.formats.lightgbm_library import LightgbmPredictor

FILES = ("model.txt", "model.lgb")


class LightgbmText:
    """Keeps `lightgbm.Booster` and the boosters within LightGBM's scikit-learn estimators."""

    name = "lightgbm"
    executes_code = False

    def takes(self, model: Any) -> bool:
        return library_of(model, "lightgbm")

    def save(self, model: Any, folder: Path) -> None:
        booster = getattr(model, "booster_", model)
        if booster.pandas_categorical:
            raise InvalidInput(
                "The booster was trained on pandas categories, which features as numbers cannot carry.",
                fix="Encode categories as integer codes and name them in categorical_feature.",
            )
        booster.save_model(folder / FILES[0])

    def load(self, folder: Path) -> LightgbmPredictor:
        return LightgbmPredictor(model_file(folder, FILES))
