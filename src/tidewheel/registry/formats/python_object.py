"""Any Python object with `predict`, or function of rows, pickled by value. Loading one executes it, so it needs trust.

Classes and functions of the project (whatever is not installed) travel inside the file, so a worker needs no copy of
the project; installed libraries are named, not copied. Classifiers answer with `predict_proba`; of two classes, with
the probability of the second, as LightGBM does. A class is kept as a class: it is made once where it is loaded, and its
`load`, if it takes nothing, is called once before the first row, so that what is heavy (a connection, a table, weights
of its own) is made there and not pickled.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import Predictor
from tidewheel.registry.formats.tensor_predictor import TensorPredictor, Tensors
from tidewheel.registry.tensors import TensorLayout, read_layout

_FILE = "model.pkl"
_INSTALLED = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")})
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, functools.partial, np.ufunc)
_TIDEWHEEL = str(Path(__file__).resolve().parents[2])


class PythonObject:
    """Keeps any object or class that has a `predict` method, and any function."""

    name = "python"
    executes_code = True

    def takes(self, model: Any) -> bool:
        return isinstance(model, _FUNCTIONS) or callable(getattr(model, "predict", None))

    def save(self, model: Any, folder: Path) -> None:
        _check_can_answer(model)
        with _project_by_value():
            (folder / _FILE).write_bytes(cloudpickle.dumps(model, protocol=5))

    def load(self, folder: Path) -> Predictor:
        try:
            # The registry has checked trust and digest.
            model = _made(pickle.loads((folder / _FILE).read_bytes()))  # noqa: S301
        except Exception as error:  # unpickling runs arbitrary code, so anything may come
            raise Corrupt(
                f"The model could not be unpickled and made: {type(error).__name__}: {error}.",
                fix="Install the libraries that it was trained with, in the versions of its run.",
                where=str(folder / _FILE),
            ) from error
        layout = read_layout(folder)
        return PythonPredictor(model) if layout is None else _of_tensors(model, layout)


class PythonPredictor:
    """Asks an unpickled object or function."""

    def __init__(self, model: Any) -> None:
        self._has_classes = hasattr(model, "predict_proba")
        answering = model.predict_proba if self._has_classes else getattr(model, "predict", model)
        self._predict: Callable[[NDArray[np.float64]], Any] = answering

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        outputs = _numbers(self._predict(rows))
        if outputs.ndim and len(outputs) != len(rows):
            raise InvalidInput(
                f"The model answered {len(rows)} rows with an array of shape {outputs.shape}.",
                fix="It takes all rows at once, as an array (rows, features), and must give one answer for each.",
            )
        if not outputs.size:
            return outputs.reshape(len(rows), outputs.shape[1] if outputs.ndim > 1 else 1)
        outputs = outputs.reshape(len(rows), -1)
        return outputs[:, 1:] if self._has_classes and outputs.shape[1] == 2 else outputs


def _of_tensors(model: Any, layout: TensorLayout) -> TensorPredictor:
    """The predictor of a model that is handed a lone tensor as an array, and several by name."""
    answering = getattr(model, "predict", model)

    def ask(tensors: Tensors) -> Any:
        return answering(next(iter(tensors.values())) if len(tensors) == 1 else dict(tensors))

    return TensorPredictor(layout, ask)


def _numbers(answers: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(answers, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(
            f"The model answers with {type(answers).__name__}, and predictions are numbers.",
            fix="Have it return a number, or a row of numbers, for each row.",
        ) from None


def _check_can_answer(model: Any) -> None:
    """Refuse what is of a kind that is taken, and could never answer."""
    if isinstance(model, type) and hasattr(model, "fit"):
        raise InvalidInput(
            f"{model.__qualname__} is a class that has yet to be fitted.", fix=f"Log {model.__qualname__}(…).fit(…)."
        )
    if isinstance(model, type) and not _can_be_called(model):
        raise InvalidInput(
            f"{model.__qualname__} cannot be made without arguments.",
            fix="Log an instance of it, or make it in load().",
        )
    answering = model if isinstance(model, _FUNCTIONS) else model.predict
    if inspect.iscoroutinefunction(answering):
        raise InvalidInput("The model answers with a coroutine.", fix="Write it with def, not async def.")
    rows = (None, None) if isinstance(model, type) else (None,)  # of a class, `predict` also takes self
    if not _can_be_called(answering, *rows):
        raise InvalidInput(
            f"{getattr(answering, '__qualname__', answering)} does not take one argument, the rows.",
            fix="Give it one, an array (rows, features); functools.partial fixes others.",
        )


def _can_be_called(function: Any, *arguments: Any) -> bool:
    """Whether a function takes these arguments; what does not say (some of C's) is believed to."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _made(model: Any) -> Any:
    """The object that answers: of a class an instance; its `load` has been called, if it has one that takes nothing."""
    made = model() if isinstance(model, type) else model
    load = getattr(made, "load", None)
    if callable(load) and not isinstance(made, _FUNCTIONS) and _can_be_called(load):
        load()
    return made


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
