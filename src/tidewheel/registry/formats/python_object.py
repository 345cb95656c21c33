"""Any Python object with `predict`, pickled by value. Loading one executes what the file says, so it needs trust.

Classes and functions of the project (whatever is not installed) travel inside the file, so a worker needs no copy of
the project; installed libraries are named, not copied. Classifiers answer with `predict_proba`; of two classes, with
the probability of the second, as LightGBM does.
"""

from __future__ import annotations

import pickle
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt

_FILE = "model.pkl"
_INSTALLED = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")})
_TIDEWHEEL = str(Path(__file__).resolve().parents[2])


class PythonObject:
    """Keeps any object that has a `predict` method."""

    name = "python"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return callable(getattr(model, "predict", None))

    def save(self, model: Any, folder: Path) -> None:
        with _project_by_value():
            (folder / _FILE).write_bytes(cloudpickle.dumps(model, protocol=5))

    def load(self, folder: Path) -> PythonPredictor:
        try:
            model = pickle.loads((folder / _FILE).read_bytes())  # noqa: S301 - the registry has checked trust and digest
        except Exception as error:  # unpickling runs arbitrary code, so anything may come
            raise Corrupt(
                f"The model could not be unpickled: {type(error).__name__}: {error}.",
                fix="Install the libraries that it was trained with, in the versions of its run.",
                where=str(folder / _FILE),
            ) from error
        return PythonPredictor(model)


class PythonPredictor:
    """Asks an unpickled object."""

    def __init__(self, model: Any) -> None:
        self._has_classes = hasattr(model, "predict_proba")
        self._predict = model.predict_proba if self._has_classes else model.predict

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        outputs = np.asarray(self._predict(rows), dtype=np.float64)
        outputs = outputs.reshape(len(rows), -1)
        return outputs[:, 1:] if self._has_classes and outputs.shape[1] == 2 else outputs


@contextmanager
def _project_by_value() -> Iterator[None]:
    modules = [module for module in list(sys.modules.values()) if _is_project_module(module)]
    already = cloudpickle.list_registry_pickle_by_value()
    # By name: a module may stand in sys.modules twice, as __main__ does where multiprocessing has been.
    chosen = list({module.__name__: module for module in modules if module.__name__ not in already}.values())
    for module in chosen:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in chosen:
            cloudpickle.unregister_pickle_by_value(module)


def _is_project_module(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or sys.modules.get(module.__name__) is not module:
        return False
    return not str(Path(file).resolve()).startswith((*_INSTALLED, _TIDEWHEEL))
