"""Predicting with LightGBM's C library and not its Python package.

Two reasons, both measured: importing the package takes seconds (it brings pandas, scikit-learn and SciPy), the library
10 ms; and one row costs 28 us through `Booster.predict` but 6 us through the C API's single-row call, which parses its
parameters once. Only documented C functions are used (https://lightgbm.readthedocs.io/en/stable/C-API.html), so this
follows their stability promise and no private name of the package.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, Unavailable
from tidewheel.registry.formats import check_width

_FLOAT64, _NORMAL, _MARGIN, _CONTRIBUTIONS, _ROW_MAJOR, _ALL_TREES = 1, 0, 1, 3, 1, -1
_PARAMETERS = b"num_threads=1 verbosity=-1"
_SUFFIX = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
_PROTOTYPES = {
    "LGBM_BoosterCreateFromModelfile": (c_char_p, POINTER(c_int), POINTER(c_void_p)),
    "LGBM_BoosterGetNumFeature": (c_void_p, POINTER(c_int)),
    "LGBM_BoosterGetCurrentIteration": (c_void_p, POINTER(c_int)),
    "LGBM_BoosterCalcNumPredict": (c_void_p, c_int, c_int, c_int, c_int, POINTER(c_int64)),
    "LGBM_BoosterPredictForMat": (
        *(c_void_p, c_void_p, c_int, c_int32, c_int32, c_int, c_int, c_int, c_int, c_char_p),
        *(POINTER(c_int64), c_void_p),
    ),
    "LGBM_BoosterPredictForMatSingleRowFastInit": (
        *(c_void_p, c_int, c_int, c_int, c_int, c_int32, c_char_p, POINTER(c_void_p)),
    ),
    "LGBM_BoosterPredictForMatSingleRowFast": (c_void_p, c_void_p, c_void_p, c_void_p),
    "LGBM_FastConfigFree": (c_void_p,),
    "LGBM_BoosterFree": (c_void_p,),
}


class LightgbmPredictor:
    """A booster held by the C library; freed with this object."""

    def __init__(self, path: Path) -> None:
        """Load a model file in LightGBM's text format.

        Raises:
            Corrupt: if the library cannot read it.
        """
        head = _checked_head(path)
        self._library = _library()
        self._booster, self._single_row = c_void_p(), c_void_p()
        self._call("LGBM_BoosterCreateFromModelfile", str(path).encode(), byref(c_int()), byref(self._booster))
        width, outputs = c_int(), c_int64()
        self._call("LGBM_BoosterGetNumFeature", self._booster, byref(width))
        self._call("LGBM_BoosterCalcNumPredict", self._booster, 1, _NORMAL, 0, _ALL_TREES, byref(outputs))
        self._width, self._outputs = width.value, outputs.value
        rounds = c_int(1)
        if b"\naverage_output" in head:  # a random forest: the library leaves its margins undivided
            self._call("LGBM_BoosterGetCurrentIteration", self._booster, byref(rounds))
        self._averaged_over = max(rounds.value, 1)
        options = (_NORMAL, 0, _ALL_TREES, _FLOAT64, self._width, _PARAMETERS)
        self._call("LGBM_BoosterPredictForMatSingleRowFastInit", self._booster, *options, byref(self._single_row))
        self._predict_one = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._length = (c_double * 1)()  # the library insists on writing the number of outputs somewhere
        self._length_at = ctypes.addressof(self._length)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        check_width(rows, self._width)
        if not rows.flags.c_contiguous or rows.dtype != np.float64:
            rows = np.ascontiguousarray(rows, dtype=np.float64)
        outputs = np.empty((rows.shape[0], self._outputs))
        if rows.shape[0] == 1:
            if self._predict_one(self._single_row, rows.ctypes.data, self._length_at, outputs.ctypes.data):
                raise self._failure()
        elif rows.shape[0]:
            self._predict_many(rows, outputs, _NORMAL)
        return outputs

    def margins(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of the trees, of a forest their means, before the objective's link: (rows, outputs)."""
        return self._ask(rows, _MARGIN)

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The library's TreeSHAP: (rows, outputs, features + 1), the last being the base; they add up to `margins`."""
        return self._ask(rows, _CONTRIBUTIONS).reshape(len(rows), self._outputs, self._width + 1)

    def _ask(self, rows: NDArray[np.float64], kind: int) -> NDArray[np.float64]:
        check_width(rows, self._width)
        rows, outputs = np.ascontiguousarray(rows, dtype=np.float64), c_int64()
        self._call("LGBM_BoosterCalcNumPredict", self._booster, 1, kind, 0, _ALL_TREES, byref(outputs))
        answers = np.empty((len(rows), outputs.value))
        if len(rows):
            self._predict_many(rows, answers, kind)
        answers /= self._averaged_over
        return answers

    def _predict_many(self, rows: NDArray[np.float64], outputs: NDArray[np.float64], kind: int) -> None:
        shape = (_FLOAT64, *rows.shape, _ROW_MAJOR)
        options = (kind, 0, _ALL_TREES, _PARAMETERS)
        pointers = (byref(c_int64()), outputs.ctypes.data)
        self._call("LGBM_BoosterPredictForMat", self._booster, rows.ctypes.data, *shape, *options, *pointers)

    def _call(self, function: str, *arguments: object) -> None:
        if getattr(self._library, function)(*arguments):
            raise self._failure()

    def _failure(self) -> Corrupt:
        return Corrupt(f"LightGBM says: {self._library.LGBM_GetLastError().decode()}.", fix="Register the model again.")

    def __del__(self) -> None:
        if getattr(self, "_single_row", None):
            self._library.LGBM_FastConfigFree(self._single_row)
        if getattr(self, "_booster", None):
            self._library.LGBM_BoosterFree(self._booster)


def _checked_head(path: Path) -> bytes:
    """What the file says before its trees. The library ends the process where a tree is cut short, so their lengths,
    which stand there, are checked first.
    """
    data = path.read_bytes()
    head, found, _ = data.partition(b"\n\nTree=0")
    begins, ends = len(head) + 2, data.find(b"\nend of trees")
    sizes = head.rpartition(b"\ntree_sizes=")[2].split(b"\n")[0].split()
    lengths = [int(size) for size in sizes if size.isdigit()]
    treeless = not found and ends >= 0 and not sizes
    if not data.startswith(b"tree\n") or (not treeless and begins + sum(lengths) != ends + 1):
        raise Corrupt(
            "The model file is cut short, or is not LightGBM's text: its trees are not as long as it says.",
            where=str(path),
            fix="Register the model again.",
        )
    return head


@functools.cache
def _library() -> ctypes.CDLL:
    spec = find_spec("lightgbm")
    folders = [Path(place) for place in (spec.submodule_search_locations or ()) if spec] if spec else []
    files = [file for folder in folders for file in sorted(folder.glob(f"*/lib_lightgbm.{_SUFFIX}"))]
    if not files:
        raise Unavailable("LightGBM is not installed here.", fix='Install it: pip install "tidewheel[lightgbm]".')
    library = ctypes.CDLL(str(files[0]))
    library.LGBM_GetLastError.restype = c_char_p
    for name, types in _PROTOTYPES.items():
        getattr(library, name).argtypes = types
    return library
