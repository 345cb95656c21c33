"""However appends, pushes and materialisations interleave, each event counts once and training rows are the truth."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st
from tests.features.memory_store import MemoryKeyValue
from tests.features.memory_tables import MemoryTables

from tidewheel.base import ambient
from tidewheel.base.clock import SystemClock
from tidewheel.data import Data, dataset
from tidewheel.features import FeatureSet, FeatureView, count, last, mean, push_rows
from tidewheel.features.materialize import fill_view
from tidewheel.storage import Metadata, schema, sqlite_url
from tidewheel.storage.backends.local_blobs import LocalBlobs

T0 = datetime(2026, 1, 1, tzinfo=UTC)
VIEW = FeatureView(
    "demand",
    entity="zone",
    source=dataset("rides"),
    timestamp="at",
    every="5m",
    ttl="20m",
    features={"rides_15m": count("15m"), "fare_10m": mean("fare", "10m"), "fare": last("fare")},
)
STEPS = st.lists(
    st.one_of(
        st.just("materialize"),
        st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab")), min_size=1, max_size=4)),
    ),
    min_size=1,
    max_size=10,
)


def ride(minute: float, zone: str) -> dict[str, Any]:
    return {"zone": zone, "at": T0 + timedelta(minutes=minute), "fare": float(minute)}


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_however_feeders_interleave_each_event_counts_once(steps: list[Any]) -> None:
    """From some push on all that is appended is pushed too; in between the dataset is materialized at any time."""
    with TemporaryDirectory() as folder:
        clock = SystemClock()
        metadata = Metadata(sqlite_url(Path(folder) / "meta.db"), clock)
        schema.create_all(metadata.engine)
        data = Data(metadata, MemoryTables(), LocalBlobs(Path(folder) / "blobs"), clock)
        token = ambient.enter([data])
        try:
            _replay(data, steps)
        finally:
            ambient.leave(token)
            metadata.close()


def _replay(data: Data, steps: list[Any]) -> None:
    store, minute, pushing = MemoryKeyValue(), 0, False
    data.append("rides", [ride(-1000, "a")])
    for step in steps:
        now = T0 + timedelta(minutes=minute)
        if step == "materialize":
            fill_view(data, store, VIEW, now, None)
            continue
        pushing = pushing or step[0]
        rows = []
        for later, zone in step[1]:
            minute += later
            rows.append(ride(minute, zone))
        data.append("rides", rows)
        if pushing:
            push_rows(store, VIEW, rows)
    fill_view(data, store, VIEW, T0 + timedelta(minutes=minute), None)
    for later in (0.5, 4.5, 9.5):
        asked = [ride(minute + later, zone) for zone in "ab"]
        data.overwrite("asked", asked)
        offline = FeatureSet("demands", [VIEW]).training_rows(dataset("asked"), time="at").X
        at_us = round(asked[0]["at"].timestamp() * 1e6)
        online = FeatureSet("demands", [VIEW]).plan().online(store, {"zone": ["a", "b"]}, {}, at_us)
        np.testing.assert_array_equal(online, offline)
