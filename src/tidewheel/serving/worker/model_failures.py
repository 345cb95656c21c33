"""What a caller hears when the model itself fails: its own words, and whether the rows or the model are to be mended.

Callers may send missing values, and many a model refuses them, so they are told which input it was. A model's words are
foreign: one line of them is passed on, bounded, without the paths of this machine. Called by `lanes` and `predict`,
after a failure only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, InvalidInput, TidewheelError
from tidewheel.serving.worker.isolation.keeper import ModelFailed

_MOST_CHARACTERS = 300
_PATH = re.compile(r"(?<![\w/:.])~?(?:/[^\s/'\",;:()]+){2,}/?")


class AskedVersion(Protocol):
    """What is read of the version that failed."""

    @property
    def unsigned(self) -> bool: ...
    @property
    def plan(self) -> object | None: ...
    @property
    def logged_names(self) -> list[str]: ...


class ModelRefused(InvalidInput):
    """The model takes none of the missing or infinite values that the caller sent.

    The caller can mend it, so it is a 400. It speaks of the version all the same, which its log says as a failure: a
    candidate that refuses what the champion answers must not pass for one that nobody asked wrongly.
    """


def failure_of(
    version: AskedVersion, rows: NDArray[np.float64], error: BaseException, given: Collection[str] = ()
) -> tuple[BaseException, int]:
    """What becomes of rows that a version failed on: the error to tell of, and its status.

    `given` are the names of the request's inputs; of a version with a feature plan, others were looked up.
    """
    if isinstance(error, InvalidInput) and version.unsigned:  # only the model knows what it takes
        return error, error.status
    if _refuses_values(error) and not np.isfinite(rows).all():
        looked_up = version.plan is not None and "features" not in given
        refused = _refused(version.logged_names, rows, error, given if looked_up else None)
        refused.__cause__ = error
        return refused, refused.status
    if isinstance(error, TidewheelError) and not isinstance(error, InvalidInput):
        return error, error.status
    return error, Corrupt.status  # its rows fit its signature, so it is the model that is wrong


def words_of(error: BaseException | None) -> str:
    """The first line of what an exception says, with its kind, fit to be shown: bounded, printable, without paths."""
    said = error.message if isinstance(error, TidewheelError) else _text_of(error)
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    line = "".join(each for each in _PATH.sub("(a path)", line) if each.isprintable())
    kind = "" if isinstance(error, TidewheelError | ModelFailed) else type(error).__name__
    told = ": ".join(filter(None, (kind, line)))
    return told if len(told) <= _MOST_CHARACTERS else f"{told[: _MOST_CHARACTERS - 1]}…"


def _text_of(error: BaseException | None) -> str:
    try:
        return str(error)
    except Exception:  # an exception may be of the model's own making, and saying it fail like the model
        return ""


def _refuses_values(error: BaseException) -> bool:
    """Whether it is the kind of exception by which models refuse values, as scikit-learn's checks raise ValueError."""
    return (
        error.of_values if isinstance(error, ModelFailed) else isinstance(error, ValueError | TypeError | InvalidInput)
    )


def _refused(
    names: Sequence[str], rows: NDArray[np.float64], error: BaseException, given: Collection[str] | None
) -> TidewheelError:
    """The error of the first value that is none; where all but what is `given` was looked up, that may not be the
    caller's to mend."""
    row, column = np.argwhere(~np.isfinite(rows))[0]
    name = repr(names[column]) if names else f"column {column}"
    what = "missing" if np.isnan(rows[row, column]) else "infinite"
    if given is not None and names[column] not in given:
        return Corrupt(f"The feature {name}, which was looked up, is {what} for row {row}: {words_of(error)}")
    return ModelRefused(
        f"The model refuses the request: {words_of(error).rstrip('.')}. Of its inputs, {name} is {what} in row {row}.",
        fix="Give every input a finite number, or deploy a model that takes missing values.",
    )
