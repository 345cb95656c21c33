"""A model of images is watched by its answers: its inputs are no columns, and the log leaves them out or holds them."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.monitoring.town import Town, Truth, traffic

from tidewheel.base.errors import InvalidInput
from tidewheel.monitoring import Bias, DataDrift, PredictionDrift
from tidewheel.registry import Signature, TensorSpec

DAYS = 14


def watch_images(town: Town) -> None:
    """Watch a version that takes images and gives one multiplier and one probability."""
    folder = town.home / "model"
    folder.mkdir()
    (folder / "model.txt").write_text("tree")
    signature = Signature.of_tensors(
        [TensorSpec("image", (-1, 3, 4, 4))], [TensorSpec("multiplier", (-1,)), TensorSpec("p_accept", (-1, 1))]
    )
    before = traffic(999, town.clock.now() - timedelta(days=DAYS), DAYS * 24)
    outputs = {"output.multiplier": before.outputs[:, 0], "output.p_accept": before.outputs[:, 1]}
    reference = pa.table({**outputs, "at": pa.array(before.at_us, pa.timestamp("us", "UTC"))})
    town.version = town.registry.register(
        "vision", format="lightgbm", folder=folder, signature=signature, reference=reference
    ).id
    town.monitoring.watch("surge", town.version, [PredictionDrift(), Bias()], Truth())


def of_images(rows, width):
    """The same answers to images, of which the log holds so many values."""
    return replace(rows, features=np.zeros((len(rows.at_us), width)))


def test_answers_and_labels_are_watched_without_inputs(sqlite_town):
    watch_images(sqlite_town)
    rows = traffic(1, sqlite_town.clock.now(), 3)
    assert sqlite_town.live(of_images(rows, 0)) == []
    assert sqlite_town.seen() == len(rows.at_us)
    later = traffic(2, sqlite_town.clock.now(), 3)
    sqlite_town.live(of_images(later, 48))  # the limit was raised meanwhile
    assert sqlite_town.seen() == len(rows.at_us) + len(later.at_us)


def test_drift_of_answers_is_seen_without_inputs(sqlite_town):
    watch_images(sqlite_town)
    shifted = traffic(3, sqlite_town.clock.now(), 30, drivers_added=6.0)
    kinds = {alert.monitor for alert in sqlite_town.live(of_images(shifted, 0))}
    assert "prediction_drift" in kinds


def test_drift_of_data_cannot_be_watched_and_says_what_can(sqlite_town):
    watch_images(sqlite_town)
    with pytest.raises(InvalidInput, match="PredictionDrift"):
        sqlite_town.monitoring.watch("surge", sqlite_town.version, [DataDrift()], Truth())
