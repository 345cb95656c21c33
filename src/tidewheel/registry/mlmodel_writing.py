"""Puts an MLmodel file beside a model that `log_model` saved, so that MLflow's own `load_model` reads it too.

For the formats that MLflow has a flavour for. It names the files that are there and never copies one; the method that
answers an estimator's requests stands in it as MLflow's `predict_fn`, and `skops_estimator` reads it back from here.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tidewheel.registry.mlflow_signature import write_signature
from tidewheel.registry.mlmodel import FILE, OURS
from tidewheel.registry.records import Signature

_MLFLOW = "3.1.0"  # whose layout this is; later versions read it


def write_mlmodel(
    folder: Path, format_name: str, signature: Signature, packages: Mapping[str, str], predict_fn: str | None = None
) -> None:
    """Describe the files of a folder for MLflow; formats without a flavour there are left as they are."""
    import yaml

    if format_name not in _FLAVORS:
        return
    name, library, flavor = _FLAVORS[format_name]
    data = _DATA[format_name]
    loader: dict[str, Any] = {
        "loader_module": f"mlflow.{name}",
        "python_version": platform.python_version(),
        "env": {"virtualenv": "python_env.yaml"},
        **({"model_path": data, "predict_fn": predict_fn or "predict"} if name == "sklearn" else {"data": data}),
    }
    document = {
        "flavors": {name: {**flavor, _VERSIONS[name]: packages.get(library, "")}, "python_function": loader},
        "metadata": {OURS: "log_model"},
        "mlflow_version": _MLFLOW,
        "signature": write_signature(signature),
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    (folder / FILE).write_text(yaml.safe_dump(document, sort_keys=True))
    (folder / "requirements.txt").write_text("".join(f"{each}=={version}\n" for each, version in packages.items()))
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment))


def _trusted_types() -> list[str]:
    from tidewheel.registry.formats.skops_estimator import TRUSTED

    return list(TRUSTED)


_DATA = {"lightgbm": "model.txt", "xgboost": "model.ubj", "onnx": "model.onnx", "skops": "model.skops"}
_VERSIONS = {"lightgbm": "lgb_version", "xgboost": "xgb_version", "onnx": "onnx_version", "sklearn": "sklearn_version"}
_FLAVORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "lightgbm": ("lightgbm", "lightgbm", {"data": "model.txt", "model_class": "lightgbm.basic.Booster"}),
    "xgboost": ("xgboost", "xgboost", {"data": "model.ubj", "model_class": "xgboost.core.Booster"}),
    "onnx": ("onnx", "onnxruntime", {"data": "model.onnx", "providers": ["CPUExecutionProvider"]}),
    "skops": (
        "sklearn",
        "scikit-learn",
        {"pickled_model": "model.skops", "serialization_format": "skops", "skops_trusted_types": _trusted_types()},
    ),
}
