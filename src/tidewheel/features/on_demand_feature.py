"""`tw.on_demand`: features computed at the moment of the request, from other features and values that come with it.

The function is the same in training and serving: it takes columns by name and returns columns. It must be a pure
function of them, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import code_hash, hash_json
from tidewheel.features.view import FeatureView

Columns = Mapping[str, NDArray[Any]]
Compute = Callable[[Columns], Any]
_REQUEST_TYPES = (float, int, bool, str)


class OnDemand:
    """Features computed from `inputs` and `request` values; made by `on_demand`."""

    def __init__(
        self,
        name: str,
        inputs: Sequence[FeatureView | OnDemand],
        request: Mapping[str, type],
        compute: Compute | None,
        features: Sequence[str] | None,
    ) -> None:
        for value, kind in request.items():
            if kind not in _REQUEST_TYPES:
                raise InvalidInput(
                    f"The request value {value!r} of {name!r} is a {kind!r}.", fix="Use float, int, bool or str."
                )
        self.name = name
        self.inputs = tuple(inputs)
        self.request = dict(request)
        self.compute = compute
        self.names = tuple(features) if features is not None else self._find_names()
        self.hash = hash_json(self.definition())

    def definition(self) -> dict[str, Any]:
        """What the hash is taken of."""
        return {
            "name": self.name,
            "inputs": [found.hash for found in self.inputs],
            "request": [[name, kind.__name__] for name, kind in self.request.items()],
            "features": list(self.names),
            "code": None if self.compute is None else code_hash(self.compute),
        }

    @property
    def fingerprint(self) -> str:
        """What stands for it when code that names it is hashed."""
        return self.hash

    def values(self, columns: Columns, count: int) -> dict[str, NDArray[np.float64]]:
        """Its features for `count` rows, from columns that hold at least its inputs and request values."""
        given = {name: columns[name] for name in self._needed()}
        result = {name: given[name] for name in self.names} if self.compute is None else self._called(given)
        if set(result) != set(self.names):
            raise InvalidInput(
                f"The on-demand function {self.name!r} returned {sorted(result)}, not {sorted(self.names)}.",
                fix="Declare what it returns with features=[…].",
            )
        return {name: self._column(name, result[name], count) for name in self.names}

    def _called(self, given: Columns) -> Mapping[str, Any]:
        assert self.compute is not None
        result = self.compute(given)
        return result if isinstance(result, Mapping) else {self.names[0]: result}

    def _column(self, name: str, values: Any, count: int) -> NDArray[np.float64]:
        try:
            column = np.asarray(values, dtype=np.float64)
            return column if column.shape == (count,) else np.broadcast_to(column, (count,)).copy()
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"The on-demand feature {name!r} is not a number for each of {count} rows: {error}.",
                fix="Return an array of numbers as long as its inputs.",
            ) from None

    def _needed(self) -> list[str]:
        return [*(name for found in self.inputs for name in found.names), *self.request]

    def _find_names(self) -> tuple[str, ...]:
        """The names it returns: known by trying it on one row where nobody declared them."""
        if self.compute is None:
            return tuple(name for name, kind in self.request.items() if kind is not str)
        trial: dict[str, NDArray[Any]] = {name: np.ones(1) for name in self._needed()}
        trial.update({name: np.array([""], dtype=object) for name, kind in self.request.items() if kind is str})
        try:
            with np.errstate(all="ignore"):
                result = self.compute(trial)
        except Exception:  # it may not take such values; then it is held to one feature of its own name
            return (self.name,)
        return tuple(result) if isinstance(result, Mapping) else (self.name,)

    def __repr__(self) -> str:
        return f"OnDemand({self.name!r}, {self.hash[:12]})"


def on_demand(
    name: str,
    *,
    inputs: Sequence[FeatureView | OnDemand] = (),
    request: Mapping[str, type] | None = None,
    compute: Compute | None = None,
    features: Sequence[str] | None = None,
) -> OnDemand:
    """Features computed at the request.

    Args:
        name: the feature's name, if there is one.
        inputs: views and on-demand features that `compute` reads.
        request: values that come with a request, and their types (float, int, bool or str); in training they are
            columns of the rows.
        compute: takes a mapping of names to arrays and returns an array, or a mapping of names to arrays. Without it
            the numbers of the request are the features.
        features: the names that `compute` returns; default: found by calling it once on a row of ones.
    """
    return OnDemand(name, inputs, request or {}, compute, features)
