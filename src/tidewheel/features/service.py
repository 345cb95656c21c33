"""Features' verbs: definitions are applied, views are filled and pushed to, values are read.

`app.py` constructs it. The plan of each definition is kept as a blob by its hash, so that a model finds the features it
was trained on for as long as it lives; workers load that blob and need nothing of this class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import NotFound, TooLarge
from tidewheel.data import Data
from tidewheel.features import pickling, store
from tidewheel.features.feature_set import FeatureSet
from tidewheel.features.materialize import fill_view
from tidewheel.features.plan import FeaturePlan
from tidewheel.features.push import push_rows
from tidewheel.features.records import FeatureSetRecord, FeatureValues, Filling, PushResult
from tidewheel.features.training_rows import TrainingRows
from tidewheel.features.view import FeatureView
from tidewheel.storage import Blobs, KeyValue, Metadata

_MOST_ROWS = 10_000


class Features:
    """Feature definitions and their online values. May be shared by threads and opened by many processes."""

    def __init__(self, metadata: Metadata, data: Data, online: KeyValue, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._data = data
        self._online = online
        self._blobs = blobs
        self._clock = clock
        self._plans: dict[str, FeaturePlan] = {}

    def apply(self, feature_set: FeatureSet) -> FeatureSetRecord:
        """Make a definition known, and the one of its name. Applying what is applied already changes nothing."""
        with self._metadata.read() as connection:
            newest = store.newest_set(connection, feature_set.name)
        if newest is not None and newest.hash == feature_set.hash:
            return newest
        plan = feature_set.plan()
        sources = tuple(dict.fromkeys(view.source.name for view in plan.views))
        record = FeatureSetRecord(
            name=feature_set.name,
            hash=feature_set.hash,
            names=plan.names,
            entities=plan.entities,
            request={name: kind.__name__ for name, kind in plan.request.items()},
            views=tuple(view.name for view in plan.views),
            sources=sources,
            plan_digest=self._blobs.put(pickling.dump(plan)),
            created_at=self._clock.now(),
        )
        with self._metadata.change() as change:
            store.save_set(change.connection, record)
            facts = {"hash": record.hash, "features": record.names, "views": record.views}
            inputs = [f"dataset:{source}" for source in sources]
            change.emit("features.set.applied", record.node, facts, inputs=inputs)
        self._plans[record.hash] = plan
        return record

    def load(self, feature_set_hash: str) -> FeaturePlan:
        """The plan of a definition, by its hash (64 hex digits)."""
        if feature_set_hash not in self._plans:
            record = self.record(feature_set_hash)
            self._plans[feature_set_hash] = pickling.load(self._blobs.get(record.plan_digest))
        return self._plans[feature_set_hash]

    def record(self, feature_set_hash: str) -> FeatureSetRecord:
        """What is known of a definition, by its hash."""
        with self._metadata.read() as connection:
            found = store.find_set(connection, feature_set_hash)
        if found is None:
            raise NotFound(f"No feature set has the hash {feature_set_hash!r}.", fix="Apply its definition.")
        return found

    @door("GET", "/features/sets")
    def ls(self) -> list[FeatureSetRecord]:
        """The feature sets, each as applied last."""
        with self._metadata.read() as connection:
            newest: dict[str, FeatureSetRecord] = {}
            for record in store.list_sets(connection):
                newest.setdefault(record.name, record)
        return list(newest.values())

    @door("GET", "/features/sets/{name}")
    def show(self, name: str) -> FeatureSetRecord:
        """A feature set as applied last."""
        with self._metadata.read() as connection:
            found = store.newest_set(connection, name)
        if found is None:
            raise NotFound(f"There is no feature set {name!r}.", fix="`tidewheel features ls` lists them.")
        return found

    @door("GET", "/features/sets/{name}/history")
    def history(self, name: str) -> list[FeatureSetRecord]:
        """All definitions that a feature set has had, the one applied last first."""
        with self._metadata.read() as connection:
            return store.list_sets(connection, name)

    @door("GET", "/features/fillings")
    def fillings(self) -> list[Filling]:
        """The last materialisation of each view."""
        with self._metadata.read() as connection:
            return store.list_fillings(connection)

    @door("POST", "/features/sets/{name}/online", role="viewer")
    def get(
        self,
        name: str,
        entities: dict[str, list[str]],
        request: dict[str, list[float | str | None]] | None = None,
        at: datetime | None = None,
    ) -> FeatureValues:
        """The online features of entities, one row each, as of now (or of `at`, as far as the store reaches back)."""
        plan = self.load(self.show(name).hash)
        counts = [len(keys) for keys in entities.values()] + [len(given) for given in (request or {}).values()]
        if counts and max(counts) > _MOST_ROWS:
            raise TooLarge(f"{max(counts)} rows were asked for at once.", fix=f"Ask for at most {_MOST_ROWS}.")
        keys = {entity: [str(key) for key in given] for entity, given in entities.items()}
        values: dict[str, Sequence[Any]] = {
            value: [math.nan if one is None else one for one in given] if plan.request.get(value) is not str else given
            for value, given in (request or {}).items()
        }
        at_us = self._clock.now_us() if at is None else round(at.timestamp() * 1e6)
        matrix = plan.online(self._online, keys, values, at_us)
        rows = [[None if math.isnan(value) else value for value in row] for row in matrix.tolist()]
        return FeatureValues(name, plan.hash, plan.names, rows)

    @door("POST", "/features/views/{name}/push")
    def push(self, name: str, rows: list[dict[str, Any]]) -> PushResult:
        """Count events into a view's online values at once; instants are ISO 8601 or microseconds since 1970.

        If the view has had several definitions, the events are counted for each and the newest one's result is told.
        From the first push on, pushes are what the view is fed by, and materialisation fills in only what lies before.
        """
        if len(rows) > _MOST_ROWS:
            raise TooLarge(f"{len(rows)} rows were pushed at once.", fix=f"Push at most {_MOST_ROWS}.")
        now_us = self._clock.now_us()
        views = [view for view in self._views() if view.name == name]
        results = [push_rows(self._online, view, rows, now_us=now_us) for view in views]
        if not results:
            raise NotFound(f"There is no feature view {name!r}.", fix="Apply a feature set that has it.")
        return results[0]

    @door("POST", "/features/sets/{name}/materialize")
    def materialize(self, name: str, until: datetime | None = None) -> list[Filling]:
        """Fill the online values of a feature set's views from their datasets; what is filled already is left alone."""
        return self._fill(self.load(self.show(name).hash).views, until)

    def materialize_all(self) -> list[Filling]:
        """Fill the views of all feature sets, in all their definitions, as far as their datasets are there."""
        known = {summary.name for summary in self._data.ls()}
        return self._fill([view for view in self._views() if view.source.name in known], None)

    def training_rows_of(self, feature_set_hash: str, rows: TrainingRows) -> TrainingRows:
        """The same rows through another definition, as a champion that was trained on it sees them."""
        return rows.with_features(self.load(feature_set_hash))

    def _fill(self, views: Sequence[FeatureView], until: datetime | None) -> list[Filling]:
        done = []
        for view in views:
            filling = fill_view(self._data, self._online, view, self._clock.now(), until)
            if filling is not None:
                done.append(filling)
                with self._metadata.record() as connection:
                    store.save_filling(connection, filling)
        return done

    def _views(self) -> list[FeatureView]:
        """The different definitions of views, also those of older sets: a model in service may have been trained on
        one."""
        with self._metadata.read() as connection:
            records = store.list_sets(connection)
        views = [view for record in records for view in self.load(record.hash).views]
        return list({view.hash: view for view in views}.values())
