"""A plan needs neither the project's files nor a database; the definitions of a set are kept by their hash."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.features.memory_store import MemoryKeyValue

from tidewheel.base.errors import NotFound
from tidewheel.data import dataset
from tidewheel.features import Features, FeatureSet, FeatureView, count, on_demand, pickling
from tidewheel.storage import KeyValue, Metadata
from tidewheel.storage.journal import read_entries

PROJECT = '''
import numpy as np
import tidewheel.features as tf
from tidewheel.data import dataset
from pricing import doubled

FACTOR = 3.0

def scaled(column):
    return doubled(column) * FACTOR

def compute(f):
    """Uses a function and a constant of this file, and a function of another."""
    return scaled(f["drivers"]) + np.sqrt(f["n"])

view = tf.FeatureView("v", entity="zone", source=dataset("rides"), timestamp="at", features={"n": tf.count("5m")})
surge = tf.FeatureSet("surge", [view, tf.on_demand("x", inputs=[view], request={"drivers": float}, compute=compute)])
'''
ASK = (
    "import sys, pickle; import numpy as np\n"
    "from pathlib import Path\n"
    "plan = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
    "from tidewheel.storage.backends.lmdb_keyvalue import LmdbKeyValue\n"
    "store = LmdbKeyValue(Path(sys.argv[1]).parent / 'empty')\n"
    "print(plan.hash, *plan.online(store, {'zone': ['a']}, {'drivers': np.array([2.0])}, 10**15)[0])\n"
)


@pytest.mark.parametrize("name", ["project", "tidewheel_project_7", "some.dotted.name"])
def test_a_plan_carries_the_code_of_the_project(
    tmp_path: Path, name: str, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "project.py").write_text(PROJECT)
    (tmp_path / "src" / "pricing.py").write_text("def doubled(column):\n    return column * 2\n")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    spec = importlib.util.spec_from_file_location(name, tmp_path / "src" / "project.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    plan = tmp_path / "surge.plan"
    plan.write_bytes(pickling.dump(module.surge.plan()))
    monkeypatch.delitem(sys.modules, "pricing")
    answer = subprocess.run([sys.executable, "-c", ASK, str(plan)], capture_output=True, text=True, cwd="/")
    assert answer.stdout.split() == [module.surge.hash, "0.0", "12.0"], answer.stderr


def small(constant: float) -> FeatureSet:
    return FeatureSet("small", [on_demand("y", request={"x": float}, compute=lambda f: f["x"] + constant)])


def test_a_definition_is_applied_once_and_the_old_ones_stay_loadable(features: Features, metadata: Metadata) -> None:
    first = features.apply(small(1))
    assert features.apply(small(1)) == first
    second = features.apply(small(2))
    assert second.hash != first.hash
    assert features.show("small") == second
    assert features.ls() == [second]
    assert [record.hash for record in features.history("small")] == [second.hash, first.hash]
    values = [
        features.load(record.hash).online(MemoryKeyValue(), {}, {"x": np.array([1.0])}, 0)[0, 0]
        for record in (first, second)
    ]
    assert values == [2, 3]
    with metadata.read() as connection:
        entries = read_entries(connection, kinds=["features."])
    assert [entry.subject for entry in entries] == [f"feature_set:small@{r.hash[:12]}" for r in (first, second)]


def test_going_back_to_an_old_definition_makes_it_the_newest(features: Features) -> None:
    first = features.apply(small(1))
    features.apply(small(2))
    features.apply(small(1))
    assert features.show("small").hash == first.hash


def test_another_process_loads_a_plan_by_its_hash(
    features: Features, metadata: Metadata, data: object, online: object, blobs: object, clock: object
) -> None:
    record = features.apply(small(5))
    other = Features(metadata, data, online, blobs, clock)  # type: ignore[arg-type]
    plan = other.load(record.hash)
    assert plan.hash == record.hash
    np.testing.assert_array_equal(plan.online(MemoryKeyValue(), {}, {"x": np.array([1.0, 2.0])}, 0), [[6], [7]])
    with pytest.raises(NotFound):
        other.load("0" * 64)
    with pytest.raises(NotFound):
        other.show("absent")


def test_a_push_counts_for_every_definition_of_its_view(features: Features, online: KeyValue) -> None:
    def demand(window: str) -> FeatureSet:
        view = FeatureView(
            "demand", entity="zone", source=dataset("rides"), timestamp="at", every="5m", features={"n": count(window)}
        )
        return FeatureSet("demand", [view])

    hashes = [features.apply(demand(window)).hash for window in ("5m", "10m")]
    minute_us = 60_000_000
    features.push("demand", [{"zone": "a", "at": 0}])
    features.push("demand", [{"zone": "a", "at": 6 * minute_us}, {"zone": "a", "at": 11 * minute_us}])
    plans = [features.load(found) for found in hashes]
    assert [plan.online(online, {"zone": ["a"]}, {}, 15 * minute_us)[0, 0] for plan in plans] == [1, 2]
