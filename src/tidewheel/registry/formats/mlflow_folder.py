"""A folder that MLflow saved, loaded by MLflow itself. Loading runs what is in it, so it needs trust.

For flavours that no native format reads: pickled estimators, PyTorch modules, custom `PythonModel`s. MLflow must be
installed where the model is served. It checks inputs against the folder's own signature, so columns are handed over by
name and with the dtypes that it names.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, Unavailable
from tidewheel.registry.formats import Predictor, check_width
from tidewheel.registry.formats.tensor_predictor import TensorPredictor, Tensors
from tidewheel.registry.mlflow_signature import is_number, mlflow_layout, read_signature
from tidewheel.registry.numeric_inputs import refuse_columns
from tidewheel.registry.records import Signature
from tidewheel.registry.tensors import TensorLayout


class MlflowFolder:
    """Loads any folder with an MLmodel file; saving is MLflow's own work."""

    name = "mlflow"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return False

    def save(self, model: Any, folder: Path) -> None:
        raise InvalidInput("Tidewheel does not save in MLflow's format.", fix="Call mlflow.…log_model.")

    def load(self, folder: Path) -> Predictor:
        from tidewheel.registry.mlmodel import FILE, parse

        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # serving tells nobody outside
        try:
            import mlflow.pyfunc
        except ImportError:
            raise Unavailable("MLflow is not installed here.", fix='pip install "tidewheel[mlflow]".') from None
        try:
            layout = mlflow_layout(folder)
            signature = read_signature(parse((folder / FILE).read_bytes()).get("signature"))
            with warnings.catch_warnings(action="ignore"):
                model = mlflow.pyfunc.load_model(str(folder))
        except InvalidInput:
            raise
        except Exception as error:  # loading runs arbitrary code, so anything may come
            raise Corrupt(
                f"MLflow could not load the model: {type(error).__name__}: {error}",
                fix="Install the libraries that its requirements.txt names.",
                where=str(folder),
            ) from error
        return MlflowPredictor(model, signature) if layout is None else _of_tensors(model, layout)


def _of_tensors(model: Any, layout: TensorLayout) -> TensorPredictor:
    """The predictor of a pyfunc model whose signature names tensors: an unnamed one is handed over as it is."""
    named = model.metadata.get_input_schema().has_input_names()

    def ask(tensors: Tensors) -> Any:
        answers = model.predict(dict(tensors) if named else next(iter(tensors.values())))
        return answers.to_numpy() if hasattr(answers, "to_numpy") else answers

    return TensorPredictor(layout, ask)


class MlflowPredictor:
    """Asks a pyfunc model."""

    def __init__(self, model: Any, signature: Signature) -> None:
        wrong = [f"{name} ({dtype})" for name, dtype in signature.inputs if not is_number(dtype)]
        if wrong:
            raise refuse_columns(wrong)
        self._model = model
        self._columns = signature.inputs
        tensor = model.metadata.get_input_schema() is not None and model.metadata.get_input_schema().is_tensor_spec()
        self._as_array = tensor or not self._columns

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._columns:
            check_width(rows, len(self._columns))
        answers = self._model.predict(self._input(rows))
        if isinstance(answers, dict):
            answers = np.column_stack([np.asarray(column).reshape(len(rows), -1) for column in answers.values()])
        try:
            return np.asarray(answers, dtype=np.float64).reshape(len(rows), -1)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"The model answers with {type(answers).__name__}, and predictions are numbers.",
                fix="Have it return one number or row of numbers for each row.",
            ) from None

    def _input(self, rows: NDArray[np.float64]) -> Any:
        if self._as_array:
            return rows.astype(self._columns[0][1]) if self._columns else rows
        import pandas as pd

        return pd.DataFrame({name: rows[:, place].astype(dtype) for place, (name, dtype) in enumerate(self._columns)})
