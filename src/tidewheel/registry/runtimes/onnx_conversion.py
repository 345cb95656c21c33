"""Makes an ONNX graph of a version's files, by the converters of skl2onnx, onnxmltools and PyTorch, imported lazily.

Graphs take one tensor of 32-bit floats (64 where asked and the converter can): a value within one part in ten million
of a tree's split may fall on its other side. Whether that matters is not decided here: `agreement` compares.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tidewheel.base.errors import TidewheelError, Unavailable
from tidewheel.registry.formats import open_format
from tidewheel.registry.formats.lightgbm_text import FILES as LIGHTGBM_FILES
from tidewheel.registry.formats.xgboost_booster import FILES as XGBOOST_FILES
from tidewheel.registry.runtimes import CannotConvert
from tidewheel.registry.runtimes.forest_gaps import send_gaps
from tidewheel.registry.runtimes.wide_trees import widen_trees

OPSET = 15  # what all three converters write and every onnxruntime since 1.10 runs
_LABELS, _PROBABILITIES = 0, 1


@dataclass(frozen=True, slots=True)
class Graph:
    """An `onnx.ModelProto`, the output of it that answers, and whether the first column of that is left out."""

    proto: Any
    output: str
    drop_first: bool


def make_graph(format_name: str, folder: Path, *, double: bool = False) -> Graph:
    """The graph that answers as the version's files do.

    Raises:
        CannotConvert: if the converter cannot, in its own words.
        Unavailable: if it is not installed here.
    """
    convert = _CONVERTERS.get(format_name)
    if convert is None:
        raise CannotConvert(f"There is no way from {format_name} to ONNX here.", fix="Keep the native runtime.")
    with quiet():
        try:
            return convert(folder, double)
        except ImportError as error:
            raise Unavailable(
                f"Conversion to ONNX needs {error.name or error}.", fix='pip install "tidewheel[runtimes]".'
            ) from None
        except TidewheelError:
            raise
        except Exception as error:  # the converters' errors share no base but Exception
            said = " ".join(str(error).split())[:200]
            raise CannotConvert(f"The converter to ONNX cannot: {type(error).__name__}: {said}.") from error


def _from_lightgbm(folder: Path, double: bool) -> Graph:
    _only_single(double, "LightGBM")
    import lightgbm
    from onnxmltools import convert_lightgbm

    booster = lightgbm.Booster(model_file=_first(folder, LIGHTGBM_FILES))
    proto = convert_lightgbm(booster, initial_types=_table_of(booster.num_feature()), zipmap=False, target_opset=OPSET)
    return _answering(proto)


def _from_xgboost(folder: Path, double: bool) -> Graph:
    _only_single(double, "XGBoost")
    import xgboost
    from onnxmltools import convert_xgboost

    booster = xgboost.Booster(model_file=_first(folder, XGBOOST_FILES))
    booster.feature_names = None  # the converter takes none but f0, f1…
    proto = convert_xgboost(booster, initial_types=_table_of(booster.num_features()), target_opset=OPSET)
    return _answering(proto)


def _from_skops(folder: Path, double: bool) -> Graph:
    from skl2onnx import to_onnx

    from tidewheel.registry.formats.skops_estimator import SkopsEstimator

    kept = SkopsEstimator()
    estimator, predictor = kept.estimator(folder), kept.load(folder)
    if predictor.method not in ("predict", "predict_proba"):
        raise CannotConvert(f"The model answers with {predictor.method}, and graphs with labels or probabilities.")
    row = np.zeros((1, estimator.n_features_in_), np.float64 if double else np.float32)
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    proto = to_onnx(estimator, row, options=options, target_opset=OPSET)
    send_gaps(proto, estimator)
    if double:
        widen_trees(proto, estimator)
    found = _answering(proto, _LABELS if predictor.method == "predict" else _PROBABILITIES)
    return replace(found, drop_first=found.drop_first and predictor.second_class)


def _from_safetensors(folder: Path, double: bool) -> Graph:
    _only_single(double, "PyTorch")
    import torch

    from tidewheel.registry.formats.safetensors_layers import SafetensorsLayers

    found = open_format("safetensors")
    module, width = found.module(folder) if isinstance(found, SafetensorsLayers) else (None, None)
    if module is None or width is None:
        raise CannotConvert("The network's layers do not say how many features it takes.")
    # Two rows: PyTorch takes a dimension of one for a constant.
    program = torch.onnx.export(
        module.float(),
        (torch.zeros(2, width),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
        verbose=False,
    )
    if program is None:
        raise CannotConvert("PyTorch's exporter gave no program.")
    return _answering(program.model_proto)


_CONVERTERS: dict[str, Callable[[Path, bool], Graph]] = {
    "lightgbm": _from_lightgbm,
    "xgboost": _from_xgboost,
    "skops": _from_skops,
    "safetensors": _from_safetensors,
}


def _answering(proto: Any, wanted: int = _PROBABILITIES) -> Graph:
    """Classifiers give labels and probabilities, of two classes a column each; anything else has one output."""
    outputs = proto.graph.output
    chosen = outputs[wanted if len(outputs) > 1 else 0]
    columns = chosen.type.tensor_type.shape.dim
    two = len(outputs) > 1 and wanted == _PROBABILITIES and len(columns) == 2 and columns[1].dim_value == 2
    return Graph(proto, chosen.name, two)


def _table_of(width: int) -> list[tuple[str, Any]]:
    from onnxmltools.convert.common.data_types import FloatTensorType

    return [("rows", FloatTensorType([None, width]))]


def _only_single(double: bool, library: str) -> None:
    if double:
        raise CannotConvert(f"{library}'s converter writes 32-bit floats only.")


def _first(folder: Path, names: tuple[str, ...]) -> str:
    return str(next(folder / name for name in names if (folder / name).is_file()))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the converters' progress and advice, which are for their own developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
