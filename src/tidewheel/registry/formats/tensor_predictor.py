"""A model that takes or gives tensors, as a predictor of matrices: the last step before its call, and the first behind.

Shared by all formats; what differs between libraries is one function, from tensors by name to whatever the model
answers. A predictor of tables never comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.registry.tensors import TensorLayout, TensorSpec, rows_at_once

Tensors = Mapping[str, NDArray[np.generic]]
Ask = Callable[[Tensors], Any]
"""From the inputs by name to an array, arrays in order, or arrays by name; each has a row for each row."""


class TensorPredictor:
    """Asks a model for tensors. `layout` says which; it may be used from many threads if `ask` may."""

    def __init__(self, layout: TensorLayout, ask: Ask) -> None:
        self.layout = layout
        self._ask = ask

    def predict(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Answer n rows, of all inputs' values one behind another, with n rows of all outputs' values.

        Raises:
            InvalidInput: if the rows are of another width, or the model answers other shapes than it is said to.
        """
        size = rows_at_once(self.layout.width)
        parts = [rows[begin : begin + size] for begin in range(0, len(rows), size)] or [rows]
        answers = [_join_rows(list(self.answers(part).values()), len(part)) for part in parts]
        return answers[0] if len(answers) == 1 else np.vstack(answers)

    def answers(self, rows: NDArray[np.float64]) -> dict[str, NDArray[np.generic]]:
        """The model's outputs by name, each (rows, …).

        Raises:
            InvalidInput: as `predict`.
        """
        given = self._ask(_split_rows(rows, self.layout.inputs))
        answers = _arrays_by_name(given)
        outputs = self.layout.outputs
        if outputs:
            answers = in_order(answers, [spec.name for spec in outputs])
        wanted = [spec.shape[1:] for spec in outputs] or [answer.shape[1:] for answer in answers.values()]
        for (name, answer), row_shape in zip(answers.items(), wanted, strict=True):
            if answer.shape != (len(rows), *row_shape):
                raise InvalidInput(
                    f"The model answered {len(rows)} rows with an output {name!r} of shape {list(answer.shape)}.",
                    fix=f"It must be {[len(rows), *row_shape]}: a row for each row, and nothing else may vary.",
                )
        return answers


def _split_rows(rows: NDArray[np.float64], specs: Sequence[TensorSpec]) -> dict[str, NDArray[np.generic]]:
    """The tensors, by name, that a matrix (rows, values) stands for."""
    width = sum(spec.width for spec in specs)
    if rows.ndim != 2 or rows.shape[1] != width:
        said = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs)
        raise InvalidInput(
            f"The model takes rows of {width} values ({said}), and was given an array of shape {rows.shape}.",
            fix="Give each row's values in C order, one input behind another.",
        )
    found: dict[str, NDArray[np.generic]] = {}
    start = 0
    for spec in specs:
        part = rows[:, start : start + spec.width]
        found[spec.name] = part.reshape(len(rows), *spec.row_shape).astype(spec.dtype)
        start += spec.width
    return found


def _join_rows(tensors: Sequence[NDArray[np.generic]], count: int) -> NDArray[np.float64]:
    """The matrix (rows, values) that stands for tensors of `count` rows each."""
    parts = [np.asarray(tensor, dtype=np.float64).reshape(count, -1) for tensor in tensors]
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.hstack(parts))


def _arrays_by_name(given: Any) -> dict[str, NDArray[np.generic]]:
    if isinstance(given, Mapping):
        named = {str(name): np.asarray(value) for name, value in given.items()}
    elif isinstance(given, list | tuple) and all(isinstance(value, np.ndarray) for value in given):
        named = {f"output_{place}" if len(given) > 1 else "output": value for place, value in enumerate(given)}
    else:
        named = {"output": np.asarray(given)}
    wrong = [name for name, value in named.items() if value.dtype.kind not in "biuf" or not value.ndim]
    if wrong or not named:
        raise InvalidInput(
            f"The model answers with {type(given).__name__}{f' in {wrong[0]!r}' if wrong else ''}, and predictions "
            "are arrays of numbers.",
            fix="Have it return an array, or arrays by name, with a row for each row.",
        )
    return named


def in_order(answers: dict[str, NDArray[np.generic]], names: list[str]) -> dict[str, NDArray[np.generic]]:
    """Answers under the names that they are known by: by name where the model says the same, else by place.

    Raises:
        InvalidInput: if they are of other names and of another number.
    """
    if set(names) <= set(answers):
        return {name: answers[name] for name in names}
    if len(names) != len(answers):
        raise InvalidInput(
            f"The model gives {len(answers)} outputs ({', '.join(answers)}), and {len(names)} are named: "
            f"{', '.join(names)}.",
            fix="Log it with outputs=[…] that names each of them, or some by the model's own names.",
        )
    return dict(zip(names, answers.values(), strict=True))
