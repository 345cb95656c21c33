"""`tw.log_model` keeps model, signature, reference and origin in one call."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput, NotAllowed
from tidewheel.registry import log_model

lightgbm = pytest.importorskip("lightgbm")


@dataclass
class FeatureSetLike:
    name: str = "surge_features"
    hash: str = "cd" * 32
    names: tuple[str, ...] = ("a", "b", "c", "d")
    entities: tuple[str, ...] = ("zone",)


@dataclass
class RowsLike:
    rows: np.ndarray
    commits: tuple[str, ...] = ("rides@4",)
    start: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    def table(self) -> pa.Table:
        columns = {name: self.rows[:, place] for place, name in enumerate("abcd")}
        return pa.table({**columns, "zone": [f"z{i % 5}" for i in range(len(self.rows))], "accepted": self.rows[:, 0]})

    @property
    def timestamps(self) -> np.ndarray:
        start = np.datetime64(self.start.replace(tzinfo=None), "us")
        return start + np.arange(len(self.rows)) * np.timedelta64(60_000_000, "us")


@pytest.fixture
def booster(rides):
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(*rides), 10)


def test_a_logged_model_knows_its_run_features_commits_and_reference(registry, rides, booster):
    token = ambient.active_run.set("run_7")
    version = log_model(
        booster, "surge", features=FeatureSetLike(), outputs=["p"], rows=RowsLike(rides[0]), metrics={"auc": 0.8}
    )
    ambient.active_run.reset(token)
    assert (version.run_id, version.commits, version.format) == ("run_7", ("rides@4",), "lightgbm")
    assert (version.feature_set_name, version.feature_set_hash) == ("surge_features", "cd" * 32)
    assert version.signature.output_names == ("p",)
    reference = registry.reference(version.id)
    assert reference.column_names == ["a", "b", "c", "d", "at", "zone", "output.p"]
    np.testing.assert_array_equal(reference.column("output.p").to_numpy(), booster.predict(rides[0]))
    assert reference.column("at")[1].as_py().replace(tzinfo=UTC) == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
        minutes=1
    )


def test_a_logged_model_loads_and_answers(registry, rides, booster):
    version = log_model(booster, "surge", inputs=["a", "b", "c", "d"])
    np.testing.assert_array_equal(registry.load(version.id).predict(rides[0])[:, 0], booster.predict(rides[0]))
    assert (version.signature.output_names, version.reference_digest) == (("output",), None)


def test_a_model_that_does_not_fit_its_features_never_registers(registry, rides, booster):
    with pytest.raises(InvalidInput, match="takes rows of 4 features"):
        log_model(booster, "surge", inputs=["a", "b"])
    with pytest.raises(InvalidInput, match="2 were named"):
        log_model(booster, "surge", features=FeatureSetLike(), outputs=["p", "q"])
    with pytest.raises(InvalidInput, match=r"lack the features \['e'\]"):
        log_model(booster, "surge", features=FeatureSetLike(names=("a", "b", "c", "e")), rows=RowsLike(rides[0]))
    with pytest.raises(InvalidInput, match="needs to know"):
        log_model(booster, "surge")
    assert registry.models() == []


class Mean:
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return rows.mean(axis=1)


def test_a_python_model_needs_trust(registry):
    with pytest.raises(NotAllowed, match="trust=True"):
        log_model(Mean(), "mean", inputs=["a", "b"])
    version = log_model(Mean(), "mean", inputs=["a", "b"], trust=True)
    assert registry.load(version.id).predict(np.array([[1.0, 3.0]]))[0, 0] == 2.0
