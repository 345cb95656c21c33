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
_PROTOTYPES = {
    "XGBoosterCreate": (c_void_p, c_uint64, POINTER(c_void_p)),
    "XGBoosterFree": (c_void_p,),
    "XGBoosterLoadModel": (c_void_p, c_char_p),
    "XGBoosterSetParam": (c_void_p, c_char_p, c_char_p),
    "XGBoosterGetNumFeature": (c_void_p, POINTER(c_uint64)),
    "XGBoosterGetAttr": (c_void_p, c_char_p, POINTER(c_char_p), POINTER(c_int)),
    "XGBoosterPredictFromDense": (
        *(c_void_p, c_char_p, c_char_p, c_void_p),
        *(POINTER(POINTER(c_uint64)), POINTER(c_uint64), POINTER(POINTER(c_float))),
    ),
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
        asked = {"type": 0, "iteration_begin": 0, "iteration_end": count, "strict_shape": True, "training": False}
        self._asked = json.dumps({**asked, "missing": float("nan"), "cache_id": 0}).encode()

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `Predictor.predict`: a column for each group (class or target) of the booster."""
        check_width(rows, self._width)
        if not rows.flags.c_contiguous or rows.dtype != np.float64:
            rows = np.ascontiguousarray(rows, dtype=np.float64)
        shape, dimensions, answers = POINTER(c_uint64)(), c_uint64(), POINTER(c_float)()
        matrix = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f8","version":3}'
        matrix %= (rows.ctypes.data, *rows.shape)
        places = byref(shape), byref(dimensions), byref(answers)
        if self._library.XGBoosterPredictFromDense(self._booster, matrix, self._asked, None, *places):
            raise self._failure()
        size = 1
        for dimension in range(dimensions.value):
            size *= shape[dimension]
        if size == 0:
            return np.empty((len(rows), 1))
        return np.ctypeslib.as_array(answers, (size,)).astype(np.float64).reshape(len(rows), -1)

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
