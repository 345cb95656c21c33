"""The facts that are kept with a model when it is logged: where it was trained, and what it costs to ask it.

Figures are this machine's, medians of a few tries, and bounded in time, so that logging a slow model does not take
long. Each try asks other rows, as traffic does: asked one row again and again, 200 trees take half the time, as the
processor has learnt which way each of them goes. Called by `log_model` and where runtimes are chosen.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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
    predictor.predict(np.ascontiguousarray(rows[:1]))
    with _one_thread():
        single_us, batch_us = _tries_us(predictor, rows, 1), _tries_us(predictor, rows, _BATCH_ROWS)
    return predictor, {
        "load_ms": round(load_ms, 3),
        "latency_p50_us": round(float(np.median(single_us)), 1),
        "latency_p99_us": round(float(np.percentile(single_us, 99)), 1),
        "batch_row_us": round(float(np.median(batch_us)) / _BATCH_ROWS, 2),
    }


def _one_thread() -> AbstractContextManager[object]:
    """One thread for what libraries compute, as in workers; scikit-learn brings threadpoolctl, which sees to it."""
    threadpoolctl = sys.modules.get("threadpoolctl")
    limits: AbstractContextManager[object] = threadpoolctl.threadpool_limits(1) if threadpoolctl else nullcontext()
    return limits


def _tries_us(predictor: Predictor, rows: NDArray[np.float64], size: int) -> list[float]:
    """How long each of some calls takes, of `size` rows that begin at places all over the sample."""
    starts = np.linspace(0, max(0, len(rows) - size), _MOST_TRIES).astype(np.int64)
    pieces = (np.resize(rows[start : start + size], (size, rows.shape[1])) for start in starts)
    ends = time.perf_counter() + _BUDGET_S
    taken: list[float] = []
    for piece in pieces:
        began = time.perf_counter_ns()
        predictor.predict(piece)
        taken.append((time.perf_counter_ns() - began) / 1e3)
        if time.perf_counter() > ends:
            break
    return taken


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
