"""Reads which runtime a version's files were given, and loads it; workers come through here by `load.load_predictor`.

The files were checked by then. It must never load a runtime that the version does not name.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput
from tidewheel.registry.formats import Predictor
from tidewheel.registry.runtimes import CHOICE, FOLDER, NATIVE, RUNTIMES, open_runtime
from tidewheel.registry.runtimes.records import RuntimeChoice


def read_choice(data: bytes) -> RuntimeChoice:
    """The choice that a version's `runtime/choice.json` tells of.

    Raises:
        Corrupt: if it cannot be read.
    """
    try:
        found = msgspec.json.decode(data, type=RuntimeChoice)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidInput) as error:
        raise Corrupt(f"{CHOICE} cannot be read: {error}", fix="Package the version again.") from None
    if found.runtime != NATIVE and found.runtime not in RUNTIMES:
        raise Corrupt(
            f"{CHOICE} names the runtime {found.runtime!r}, which is not known here.", fix="Upgrade tidewheel."
        )
    return found


def load_chosen(folder: Path, files: Collection[str]) -> Predictor | None:
    """The predictor of the runtime that was chosen for the files of a folder; None if it is the format's own.

    Raises:
        Corrupt: if its files cannot be read.
        Unavailable: if its library is not installed here.
    """
    if CHOICE not in files:
        return None
    choice = read_choice((folder / CHOICE).read_bytes())
    if choice.runtime == NATIVE:
        return None
    predictor = open_runtime(choice.runtime).load(folder / FOLDER / choice.runtime)
    return _Refusing(predictor, choice.refuses) if choice.refuses else predictor


def require_chosen(folder: Path, files: Collection[str]) -> Predictor:
    """The predictor of the runtime that was chosen, where it is known that one was.

    Raises:
        Corrupt: if none was.
    """
    found = load_chosen(folder, files)
    if found is None:
        raise Corrupt(f"{CHOICE} names no runtime.", where=str(folder), fix="Package the version again.")
    return found


class _Refusing:
    """Refuses the values that the model itself refuses, where its runtime would answer something."""

    def __init__(self, predictor: Predictor, kinds: Collection[str]) -> None:
        self._predictor = predictor
        self._kinds = " or ".join(kinds)
        self._fits = np.isfinite if len(kinds) > 1 else _not_missing if "missing" in kinds else _not_infinite

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._fits(rows).all():
            raise InvalidInput(
                f"The model takes no {self._kinds} values, and was given some.",
                fix="Give every input a finite number.",
            )
        return self._predictor.predict(rows)


def _not_missing(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~np.isnan(rows)


def _not_infinite(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    return ~np.isinf(rows)
