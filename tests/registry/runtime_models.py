"""Small trained models of each library that has a way to another runtime, saved as `log_model` would save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidewheel.registry import Signature
from tidewheel.registry.formats import saving_format
from tidewheel.registry.mlmodel_writing import write_mlmodel

NAMES = ["a", "b", "c", "d"]
ROWS = np.random.default_rng(11).normal(size=(600, 4))
ROWS[:, 3] = np.round(ROWS[:, 3] * 2)
GAPPED = ROWS.copy()
GAPPED[::9, 1] = np.nan
LABELS = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)


def lightgbm() -> Any:
    library = pytest.importorskip("lightgbm")
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return library.train(settings, library.Dataset(GAPPED, LABELS), 20)


def lightgbm_classes() -> Any:
    library = pytest.importorskip("lightgbm")
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    return library.train(settings, library.Dataset(GAPPED, np.clip(ROWS[:, 3], -1, 1) + 1), 5)


def xgboost() -> Any:
    library = pytest.importorskip("xgboost")
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    return library.train(settings, library.DMatrix(GAPPED, LABELS, feature_names=NAMES), 20)


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(8, max_depth=5, random_state=0, n_jobs=1).fit(ROWS, LABELS)


def regressor() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=10, random_state=0).fit(ROWS, ROWS[:, 0] * 5)


def scaled_logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


def perceptron() -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((16,), max_iter=300, tol=1e-2, random_state=0).fit(ROWS, LABELS)


def network() -> Any:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(3)
    nn = torch.nn
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 1), nn.Sigmoid()).eval()


MODELS: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (lightgbm, lightgbm_classes, xgboost, forest, regressor, scaled_logistic, perceptron, network)
}


def save(model: Any, folder: Path) -> str:
    """Write a model's files and give the name of its format."""
    found = saving_format(model)
    found.save(model, folder)
    method = getattr(found.load(folder), "method", None)
    write_mlmodel(folder, found.name, Signature.of(NAMES, ["p"]), {}, method)
    return found.name
