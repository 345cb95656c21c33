"""The facts that are kept with a model when it is logged: where it was trained, and what it costs to ask it.

Figures are this machine's, medians of a few tries, and bounded in time, so that logging a slow model does not take
long. Called by `log_model`.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.registry.formats import Predictor

_BUDGET_S = 0.2
_MOST_TRIES = 200
_BATCH_ROWS = 64
_PACKAGES = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "sklearn": "scikit-learn",
    "skops": "skops",
    "torch": "torch",
    "safetensors": "safetensors",
    "onnxruntime": "onnxruntime",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "cloudpickle": "cloudpickle",
}


def environment(needed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Python, platform, and the versions of the packages that matter: those `needed` and those imported here."""
    packages = {}
    for module, package in _PACKAGES.items():
        if module in sys.modules or package in needed:
            version = _version(package) or (_version("xgboost-cpu") if package == "xgboost" else None)
            if version:
                packages[package] = version.partition("+")[0]
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}


def measure(load: Callable[[], Predictor], rows: NDArray[np.float64]) -> tuple[Predictor, dict[str, float]]:
    """Load a model and ask it: `load_ms`, `latency_p50_us` and `latency_p99_us` of one row, `batch_row_us` of 64."""
    began = time.perf_counter()
    predictor = load()
    load_ms = (time.perf_counter() - began) * 1e3
    one, batch = np.ascontiguousarray(rows[:1]), np.resize(rows, (_BATCH_ROWS, rows.shape[1]))
    predictor.predict(one)
    single_us, batch_us = _tries_us(predictor, one), _tries_us(predictor, batch)
    return predictor, {
        "load_ms": round(load_ms, 3),
        "latency_p50_us": round(float(np.median(single_us)), 1),
        "latency_p99_us": round(float(np.percentile(single_us, 99)), 1),
        "batch_row_us": round(float(np.median(batch_us)) / _BATCH_ROWS, 2),
    }


def _tries_us(predictor: Predictor, rows: NDArray[np.float64]) -> list[float]:
    ends = time.perf_counter() + _BUDGET_S
    taken: list[float] = []
    while not taken or (len(taken) < _MOST_TRIES and time.perf_counter() < ends):
        began = time.perf_counter_ns()
        predictor.predict(rows)
        taken.append((time.perf_counter_ns() - began) / 1e3)
    return taken


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
