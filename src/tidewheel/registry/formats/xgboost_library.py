"""Predicting with XGBoost's C library and not its Python package, for LightGBM's two reasons (`lightgbm_library.py`).

Only documented C functions are used (https://xgboost.readthedocs.io/en/stable/c.html). The answer of a call lies in
memory of the thread that made it, and is copied before the next call.
"""

from __future__ import annotations

import ctypes
import functools
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_uint64, c_void_p
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.registry.formats import check_width

_SUFFIX = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
_NORMAL, _MARGIN, _CONTRIBUTIONS = 0, 1, 2
_PLACES = (POINTER(POINTER(c_uint64)), POINTER(c_uint64), POINTER(POINTER(c_float)))
_MATRIX = json.dumps({"missing": float("nan"), "nthread": 1}).encode()
_PROTOTYPES = {
    "XGBoosterCreate": (c_void_p, c_uint64, POINTER(c_void_p)),
    "XGBoosterFree": (c_void_p,),
    "XGBoosterLoadModel": (c_void_p, c_char_p),
    "XGBoosterSetParam": (c_void_p, c_char_p, c_char_p),
    "XGBoosterGetNumFeature": (c_void_p, POINTER(c_uint64)),
    "XGBoosterGetAttr": (c_void_p, c_char_p, POINTER(c_char_p), POINTER(c_int)),
    "XGBoosterPredictFromDense": (
        *(c_void_p, c_char_p, c_char_p, c_void_p),
        *_PLACES,
    ),
    "XGBoosterPredictFromDMatrix": (c_void_p, c_void_p, c_char_p, *_PLACES),
    "XGDMatrixCreateFromDense": (c_char_p, c_char_p, POINTER(c_void_p)),
    "XGDMatrixFree": (c_void_p,),
}


class XgboostLibraryBooster:
    """A booster held by the C library; freed with this object."""

    def __init__(self, path: Path) -> None:
        """Load a model file in XGBoost's UBJSON or JSON.

        Raises:
            Corrupt: if the library cannot read it.
        """
        self._library = _library()
        self._booster = c_void_p()
        self._call("XGBoosterCreate", None, 0, byref(self._booster))
        self._call("XGBoosterLoadModel", self._booster, str(path).encode())
        self._call("XGBoosterSetParam", self._booster, b"nthread", b"1")
        width = c_uint64()
        self._call("XGBoosterGetNumFeature", self._booster, byref(width))
        self._width = width.value
        self.use_rounds(0)

    def attribute(self, name: str) -> str | None:
        """Something that was written down with the booster, such as its `best_iteration`."""
        value, found = c_char_p(), c_int()
        self._call("XGBoosterGetAttr", self._booster, name.encode(), byref(value), byref(found))
        return value.value.decode() if found.value and value.value is not None else None

    def use_rounds(self, count: int) -> None:
        """Answer with the trees of the first `count` rounds of boosting; 0 = all."""
        self._asked, self._asked_margins, self._asked_contributions = (
            self._options(kind, count) for kind in (_NORMAL, _MARGIN, _CONTRIBUTIONS)
        )

    @staticmethod
    def _options(kind: int, count: int) -> bytes:
        asked = {"type": kind, "iteration_begin": 0, "iteration_end": count, "strict_shape": True, "training": False}
        return json.dumps({**asked, "missing": float("nan"), "cache_id": 0}).encode()

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `Predictor.predict`: a column for each group (class or target) of the booster."""
        return self._ask(rows, self._asked)

    def margins(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of the trees before the objective's link, as log-odds: (rows, outputs)."""
        return self._ask(rows, self._asked_margins)

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The library's TreeSHAP: (rows, outputs, features + 1), the last being the base; they add up to `margins`."""
        check_width(rows, self._width)
        if not len(rows):
            return np.empty((0, 1, self._width + 1))
        rows, matrix, answered = np.ascontiguousarray(rows, dtype=np.float64), c_void_p(), _Answered()
        self._call("XGDMatrixCreateFromDense", _described(rows), _MATRIX, byref(matrix))
        try:
            asked = self._asked_contributions
            self._call("XGBoosterPredictFromDMatrix", self._booster, matrix, asked, *answered.places)
            return answered.copied().reshape(len(rows), -1, self._width + 1)
        finally:
            self._library.XGDMatrixFree(matrix)

    def _ask(self, rows: NDArray[np.float64], asked: bytes) -> NDArray[np.float64]:
        check_width(rows, self._width)
        if not rows.flags.c_contiguous or rows.dtype != np.float64:
            rows = np.ascontiguousarray(rows, dtype=np.float64)
        answered = _Answered()
        if self._library.XGBoosterPredictFromDense(self._booster, _described(rows), asked, None, *answered.places):
            raise self._failure()
        answers = answered.copied()
        return answers.reshape(len(rows), -1) if answers.size else np.empty((len(rows), 1))

    def _call(self, function: str, *arguments: object) -> None:
        if getattr(self._library, function)(*arguments):
            raise self._failure()

    def _failure(self) -> Corrupt:
        said = self._library.XGBGetLastError().decode(errors="replace").partition("Stack trace")[0]
        said = said.rpartition("] ")[2] or said
        return Corrupt(f"XGBoost says: {' '.join(said.split())[:300]}", fix="Register the model again.")

    def __del__(self) -> None:
        if getattr(self, "_booster", None):
            self._library.XGBoosterFree(self._booster)


class _Answered:
    """Where the library says what it answered: its shape, the number of dimensions, the numbers."""

    __slots__ = ("_answers", "_dimensions", "_shape", "places")

    def __init__(self) -> None:
        self._shape, self._dimensions, self._answers = POINTER(c_uint64)(), c_uint64(), POINTER(c_float)()
        self.places = byref(self._shape), byref(self._dimensions), byref(self._answers)

    def copied(self) -> NDArray[np.float64]:
        """The numbers, in one row."""
        size = 1
        for dimension in range(self._dimensions.value):
            size *= self._shape[dimension]
        return np.ctypeslib.as_array(self._answers, (size,)).astype(np.float64) if size else np.empty(0)


def _described(rows: NDArray[np.float64]) -> bytes:
    """Where rows lie in memory, as the library wants to be told."""
    return b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f8","version":3}' % (rows.ctypes.data, *rows.shape)


@functools.cache
def _library() -> ctypes.CDLL:
    spec = find_spec("xgboost")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    files = [file for folder in folders for file in sorted(folder.glob(f"lib/*xgboost.{_SUFFIX}"))]
    if not files:
        raise Unavailable("XGBoost is not installed here.", fix='Install it: pip install "tidewheel[xgboost]".')
    library = ctypes.CDLL(str(files[0]))
    library.XGBGetLastError.restype = c_char_p
    for name, types in _PROTOTYPES.items():
        getattr(library, name).argtypes = types
    return library
