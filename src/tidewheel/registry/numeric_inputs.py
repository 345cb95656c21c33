"""Refuses a model of columns that are not numbers, by their names, before it is tried: rows are float64 everywhere.

A column of text would meet the model as a number, and it would say something of its own encoder's insides. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.records import Signature

_NAMED = {"U": "text", "S": "bytes", "M": "an instant", "m": "a length of time"}
_REMEDY = (
    "Tidewheel serves models of numbers and truth values: encode the columns before the model, as codes or as "
    "columns of 0 and 1, train on those, and send those. docs/how-to/log-a-model.md says how."
)


def require_numbers(signature: Signature) -> None:
    """Let a signature pass whose inputs are numbers, or of a dtype that says nothing of them.

    Raises:
        InvalidInput: if columns hold text, bytes or instants; it names them.
    """
    wrong = [f"{name} ({_NAMED[kind]})" for name, dtype in signature.inputs if (kind := _kind(dtype)) in _NAMED]
    if wrong:
        raise refuse_columns(wrong)


def refuse_columns(columns: Sequence[str]) -> InvalidInput:
    """The error of a model that takes columns which are no numbers."""
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    return InvalidInput(f"The model takes columns that are not numbers: {', '.join(columns[:5])}{more}.", fix=_REMEDY)


def _kind(dtype: str) -> str:
    try:
        return np.dtype(dtype).kind
    except TypeError:
        return ""
