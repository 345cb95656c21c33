"""`TrainingRows`: rows of a dataset with features as they were known at each row's time.

They are described when asked for and computed when used: an object of this class names commits, bounds and the feature
plan, so it is small, travels between processes, and always computes the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_json
from tidewheel.data import Data
from tidewheel.features import pickling
from tidewheel.features.plan import FeaturePlan
from tidewheel.features.view import FeatureView

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Spine:
    """Which rows: a dataset, the column that says when each was asked, and bounds ``since <= time < until``."""

    dataset: str
    time: str
    since: datetime | None
    until: datetime | None


class TrainingRows:
    """Rows with point-in-time features. The same commits, bounds and features always give the same rows."""

    def __init__(
        self, plan: bytes, names: tuple[str, ...], plan_hash: str, spine: Spine, pinned: dict[str, int]
    ) -> None:
        self._plan = plan
        self._pinned = pinned
        self._replaced: dict[str, float] = {}
        self._computed: tuple[pa.Table, NDArray[np.float64]] | None = None
        self.names = names
        self.feature_set_hash = plan_hash
        self.spine = spine

    @property
    def commits(self) -> tuple[str, ...]:
        """The dataset versions that the rows are computed from, the spine's first: ``("rides@4", "weather@9")``."""
        return tuple(f"{dataset}@{number}" for dataset, number in self._pinned.items())

    @property
    def since(self) -> datetime | None:
        """The instant from which on rows are taken."""
        return self.spine.since

    @property
    def until(self) -> datetime | None:
        """The instant before which rows are taken."""
        return self.spine.until

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the rows; a cached step is keyed by it."""
        bounds = [bound and bound.isoformat() for bound in (self.since, self.until)]
        facts = [self.feature_set_hash, self.spine.dataset, self.spine.time, bounds, self.commits]
        return hash_json([*facts, sorted(self._replaced.items())] if self._replaced else facts)

    @property
    def X(self) -> NDArray[np.float64]:  # noqa: N802 - the field's name for it
        """The features: (rows, len(names)) float64, NaN where there is none."""
        return self._compute()[1]

    @property
    def timestamps(self) -> pa.ChunkedArray:
        """When each row was asked."""
        return self._compute()[0][self.spine.time]

    def table(self) -> pa.Table:
        """The features, then all columns of the dataset that are not features' names."""
        return self._compute()[0]

    def column(self, name: str) -> NDArray[Any]:
        """A feature or a column of the dataset, as an array."""
        table = self.table()
        if name not in table.column_names:
            raise InvalidInput(f"The training rows have no column {name!r}.", fix=f"They have {table.column_names}.")
        values: NDArray[Any] = table[name].to_numpy()
        return values

    def with_features(self, plan: FeaturePlan) -> TrainingRows:
        """The same rows of the same commits through another feature set."""
        return pin_rows(ambient.current(Data), plan, self.spine, self._pinned)

    def replace(self, **request: float) -> TrainingRows:
        """The same rows with one value for some of the request's numbers, as if every caller had sent it."""
        replaced = TrainingRows(self._plan, self.names, self.feature_set_hash, self.spine, self._pinned)
        replaced._replaced = {**self._replaced, **request}
        return replaced

    def __len__(self) -> int:
        return int(self.table().num_rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_computed": None}

    def __repr__(self) -> str:
        return f"TrainingRows({', '.join(self.commits)}, features {self.feature_set_hash[:12]})"

    def _compute(self) -> tuple[pa.Table, NDArray[np.float64]]:
        if self._computed is None:
            plan: FeaturePlan = pickling.load(self._plan)
            ambient.tell_read("features", plan.name, plan.hash)
            self._computed = compute_rows(ambient.current(Data), plan, self.spine, self._pinned, self._replaced)
        return self._computed


def pin_rows(data: Data, plan: FeaturePlan, spine: Spine, pinned: dict[str, int] | None = None) -> TrainingRows:
    """Training rows of the versions that the current work is about; `pinned` ones are kept."""
    known = dict(pinned or {})
    for dataset in (spine.dataset, *(view.source.name for view in plan.views)):
        if dataset not in known:
            known[dataset] = data.resolve(dataset).number
    return TrainingRows(pickling.dump(plan), plan.names, plan.hash, spine, known)


def compute_rows(
    data: Data, plan: FeaturePlan, spine: Spine, pinned: dict[str, int], replaced: Mapping[str, float]
) -> tuple[pa.Table, NDArray[np.float64]]:
    """The rows and their features."""
    import numpy as np
    import pyarrow as pa

    from tidewheel.features.events import as_numbers, as_us

    since = (spine.time, spine.since) if spine.since else None
    until = (spine.time, spine.until) if spine.until else None
    rows = data.read(spine.dataset, pinned[spine.dataset], since=since, until=until)
    _require_columns(plan, spine, rows)
    rows = rows.filter(rows[spine.time].is_valid())
    at_us = as_us(spine.time, rows[spine.time]).to_numpy()
    stored: dict[str, Any] = {}
    for view in plan.views:
        stored.update(_view_values(data, view, pinned[view.source.name], rows, at_us))
    request = {
        name: rows[name].to_pylist() if kind is str else as_numbers(name, rows[name])
        for name, kind in plan.request.items()
    }
    request |= {name: np.full(rows.num_rows, value) for name, value in replaced.items()}
    matrix = plan.finish(stored, request, rows.num_rows)
    features = {name: pa.array(matrix[:, place]) for place, name in enumerate(plan.names)}
    others = {name: rows[name] for name in rows.column_names if name not in features}
    return pa.table({**features, **others}), matrix


def _view_values(
    data: Data, view: FeatureView, number: int, rows: pa.Table, at_us: NDArray[np.int64]
) -> dict[str, Any]:
    from tidewheel.base.units import from_us
    from tidewheel.features.events import events_of
    from tidewheel.features.point_in_time import values_at

    since = until = None
    if len(at_us):
        until = (view.timestamp, from_us(int(at_us.max())))
        if view.reach_us is not None:
            since = (view.timestamp, from_us(int(at_us.min())) - timedelta(microseconds=view.reach_us))
    columns = list(dict.fromkeys([view.entity, view.timestamp, *view.columns]))
    events = data.read(view.source.name, number, columns, since, until)
    return values_at(view, events_of(view, events), rows[view.entity], at_us)


def _require_columns(plan: FeaturePlan, spine: Spine, rows: pa.Table) -> None:
    missing = [name for name in (spine.time, *plan.entities, *plan.request) if name not in rows.column_names]
    if missing:
        raise InvalidInput(
            f"The dataset {spine.dataset!r} lacks {missing}, which the feature set {plan.name!r} needs.",
            where=spine.dataset,
            fix=f"It has the columns {rows.column_names}.",
        )
