"""What a feature set computes, in one object that needs neither project nor database: the serving side of `FeatureSet`.

It is stored as a blob when a set is applied, pinned in models by its hash, and loaded by inference workers. `online`
is the hot path: one snapshot of the store, one key for each entity of each view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput
from tidewheel.features.on_demand_feature import OnDemand
from tidewheel.features.packed_tiles import prefix_of, read_values, short_key
from tidewheel.features.tile_layout import Floats, Ints
from tidewheel.features.view import FeatureView

if TYPE_CHECKING:
    from tidewheel.storage import KeyValue


class FeaturePlan:
    """Computes a feature set. May be shared by threads; it never changes."""

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        views: Sequence[FeatureView],
        on_demands: Sequence[OnDemand],
        definition_hash: str,
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.hash = definition_hash
        self.views = tuple(views)
        self.on_demands = tuple(on_demands)
        self.entities = tuple(dict.fromkeys(view.entity for view in views))
        self.request: dict[str, type] = {name: kind for found in on_demands for name, kind in found.request.items()}
        self._prefixes = tuple(prefix_of(view) for view in self.views)
        stored = [name for view in self.views for name in view.names]
        self._stored = tuple(stored)
        self._picked = [stored.index(name) for name in self.names] if set(self.names) <= set(stored) else None

    def online(
        self,
        store: KeyValue,
        entities: Mapping[str, Sequence[str]],
        request: Mapping[str, Any],
        at_us: int | Ints,
    ) -> Floats:
        """The features of n rows as of `at_us`: (n, len(names)), NaN where there is none.

        `entities` and `request` hold n keys or values for each name in `self.entities` and `self.request`.

        Raises:
            InvalidInput: if one is missing or they differ in length.
        """
        count = self._count(entities, request)
        keys = [
            prefix + short_key(key)
            for view, prefix in zip(self.views, self._prefixes, strict=True)
            for key in entities[view.entity]
        ]
        found = store.get_many(keys)
        with np.errstate(all="ignore"):
            return self._from_store(found, keys, request, count, at_us)

    def _from_store(
        self,
        found: Sequence[bytes | None],
        keys: Sequence[bytes],
        request: Mapping[str, Any],
        count: int,
        at_us: int | Ints,
    ) -> Floats:
        if count == 1:
            instant = at_us if isinstance(at_us, int) else int(np.asarray(at_us).ravel()[0])
            row = [
                value
                for view, packed in zip(self.views, found, strict=True)
                for value in read_values(view, packed, instant)
            ]
            if self._picked is not None and not self.on_demands:
                return np.array([[row[place] for place in self._picked]])
            stored: dict[str, NDArray[Any]] = {
                name: np.array((value,)) for name, value in zip(self._stored, row, strict=True)
            }
        else:
            stored = self._read_columns(found, keys, count, at_us)
        return self.finish(stored, request, count)

    def finish(self, stored: dict[str, NDArray[Any]], request: Mapping[str, Any], count: int) -> Floats:
        """The matrix of features from those of the views and the request's values; the same in training and serving."""
        columns = dict(stored)
        for name, kind in self.request.items():
            columns[name] = _request_column(name, kind, request[name])
        for found in self.on_demands:
            columns.update(found.values(columns, count))
        matrix = np.empty((count, len(self.names)))
        for place, name in enumerate(self.names):
            matrix[:, place] = columns[name]
        return matrix

    def _read_columns(
        self, found: Sequence[bytes | None], keys: Sequence[bytes], count: int, at_us: int | Ints
    ) -> dict[str, NDArray[Any]]:
        instants: list[int] = np.broadcast_to(np.asarray(at_us, dtype=np.int64), (count,)).tolist()
        columns: dict[str, NDArray[Any]] = {}
        for index, view in enumerate(self.views):
            known: dict[tuple[bytes, int], list[float]] = {}  # rows often share an entity and an instant
            rows = np.empty((count, len(view.names)))
            for row in range(count):
                place = index * count + row
                asked = (keys[place], instants[row])
                values = known.get(asked)
                if values is None:
                    values = known[asked] = read_values(view, found[place], instants[row])
                rows[row] = values
            columns.update({name: rows[:, place] for place, name in enumerate(view.names)})
        return columns

    def _count(self, entities: Mapping[str, Sequence[str]], request: Mapping[str, Any]) -> int:
        try:
            lengths = [len(entities[name]) for name in self.entities] + [len(request[name]) for name in self.request]
        except KeyError as error:
            raise InvalidInput(
                f"The feature set {self.name!r} needs {error.args[0]!r}.",
                fix=f"Give the entities {list(self.entities)} and the request values {list(self.request)}.",
            ) from None
        if len(set(lengths)) > 1:
            raise InvalidInput(
                f"The feature set {self.name!r} was given rows of different number: {lengths}.",
                fix=f"Give as many for each of {[*self.entities, *self.request]}.",
            )
        return lengths[0] if lengths else 1

    def __repr__(self) -> str:
        return f"FeaturePlan({self.name!r}, {self.hash[:12]})"


def _request_column(name: str, kind: type, values: Any) -> NDArray[Any]:
    if kind is str:
        column = np.empty(len(values), dtype=object)
        column[:] = ["" if value is None else str(value) for value in values]
        return column
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(f"The request value {name!r} is not a number: {values!r:.200}.") from None
