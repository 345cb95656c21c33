"""`tw.FeatureSet`: the named list of features that a model uses, pinned by its hash.

From it come the training rows and, as a plan, the online row: there is no second place to say what a feature is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tidewheel.base import ambient
from tidewheel.base.clock import pinned_as_of
from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_json
from tidewheel.base.units import parse_duration, parse_instant
from tidewheel.data import Data, Dataset
from tidewheel.features.on_demand_feature import OnDemand
from tidewheel.features.plan import FeaturePlan
from tidewheel.features.training_rows import Spine, TrainingRows, pin_rows
from tidewheel.features.view import FeatureView


class FeatureSet:
    """A named list of features.

    Args:
        name: the set's name.
        features: views and on-demand features whose features are the set's, in this order. What these only read is
            computed too but is not part of the set.
        time: the column of the training rows that says when each was asked; default: the timestamp of the first view
            whose source they are.
    """

    def __init__(self, name: str, features: Sequence[FeatureView | OnDemand], *, time: str | None = None) -> None:
        self.name = name
        self.items = tuple(features)
        self.time = time
        self.names: tuple[str, ...] = tuple(feature for item in self.items for feature in item.names)
        self.views, self.on_demands = _closure(self.items)
        _check_names(name, self.names, self.views, self.on_demands)
        self.entities = tuple(dict.fromkeys(view.entity for view in self.views))
        self.request = _request(name, self.on_demands)
        parts = [*(view.definition() for view in self.views), *(found.definition() for found in self.on_demands)]
        self.hash = hash_json([*parts, list(self.names)])

    @property
    def fingerprint(self) -> str:
        """What stands for it when code that names it is hashed."""
        return self.hash

    def plan(self) -> FeaturePlan:
        """What computes it without this project's files."""
        return FeaturePlan(self.name, self.names, self.views, self.on_demands, self.hash)

    def time_column(self, rows: Dataset) -> str:
        """The column of a dataset that says when each row was asked.

        Raises:
            InvalidInput: if neither the set nor a view over the dataset says so.
        """
        found = self.time or next((view.timestamp for view in self.views if view.source.name == rows.name), None)
        if found is None:
            raise InvalidInput(
                f"Which column of {rows.name!r} is the time of its rows, the feature set {self.name!r} does not say.",
                fix='Pass time="…" to FeatureSet.',
            )
        return found

    def training_rows(
        self,
        rows: Dataset,
        window: str | timedelta | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        time: str | None = None,
    ) -> TrainingRows:
        """The rows of a dataset with the features as they were known at each row's time.

        Args:
            rows: the dataset; it has the columns of the set's entities and request values.
            window: take rows from so long before `until` (or before now) on.
            since: take rows from this instant on; goes before `window`.
            until: take rows before this instant.
            time: the column that says when each row was asked; default: `time_column(rows)`.
        """
        end = None if until is None else parse_instant(until)
        start = None if since is None else parse_instant(since)
        if start is None and window is not None:
            end = end or pinned_as_of() or ambient.current(Data).now()
            start = end - parse_duration(window)
        spine = Spine(rows.name, time or self.time_column(rows), start, end)
        return pin_rows(ambient.current(Data), self.plan(), spine)

    def __repr__(self) -> str:
        return f"FeatureSet({self.name!r}, {self.hash[:12]})"


def _closure(items: Sequence[FeatureView | OnDemand]) -> tuple[tuple[FeatureView, ...], tuple[OnDemand, ...]]:
    """All views and on-demand features that the items need, each after what it reads."""
    views: dict[str, FeatureView] = {}
    on_demands: dict[str, OnDemand] = {}

    def visit(item: FeatureView | OnDemand) -> None:
        if isinstance(item, FeatureView):
            views.setdefault(item.hash, item)
            return
        for found in item.inputs:
            visit(found)
        on_demands.setdefault(item.hash, item)

    for item in items:
        visit(item)
    return tuple(views.values()), tuple(on_demands.values())


def _check_names(name: str, names: Sequence[str], views: Sequence[FeatureView], on_demands: Sequence[OnDemand]) -> None:
    if not names:
        raise InvalidInput(f"The feature set {name!r} is empty.", fix="List views and on-demand features.")
    seen: dict[str, str] = {}
    items: list[FeatureView | OnDemand] = [*views, *on_demands]
    for item in items:
        for feature in item.names:
            if feature in seen:
                raise InvalidInput(
                    f"In the feature set {name!r} both {seen[feature]!r} and {item.name!r} have a feature {feature!r}.",
                    fix="Rename one of them.",
                )
            seen[feature] = item.name


def _request(name: str, on_demands: Sequence[OnDemand]) -> dict[str, type]:
    request: dict[str, type] = {}
    for found in on_demands:
        for value, kind in found.request.items():
            if request.setdefault(value, kind) is not kind:
                raise InvalidInput(
                    f"In the feature set {name!r} the request value {value!r} is {request[value].__name__} and "
                    f"{kind.__name__}.",
                    fix="Give it one type.",
                )
    return request
