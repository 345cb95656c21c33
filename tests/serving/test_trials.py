"""A version is tried before workers hear of it: what does not load and answer is refused, and all else goes on."""

import os
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from tests.registry.damaged import crashing_booster
from tests.serving.house import House, value_of
from tests.serving.models import Adding, Broken

from tidewheel.base.errors import Corrupt, NotAllowed, TidewheelError
from tidewheel.registry import ModelVersion, Signature
from tidewheel.registry.formats import open_format
from tidewheel.serving.snapshot import ServingFolder, read_snapshot


class Leaving:
    def predict(self, rows):
        os._exit(3)


class Picky:
    """Answers only where a file lies: another machine may lack what this one has."""

    def __init__(self, needs: str) -> None:
        self.needs = needs

    def predict(self, rows):
        if not Path(self.needs).exists():
            raise RuntimeError("something is missing on this machine")
        return rows[:, :1]


def crashing_version(house: House) -> ModelVersion:
    file = crashing_booster(house.home / "crafted", features=2)
    signature = Signature.of(["a", "b"], ["p"])
    return house.registry.register("surge", format="lightgbm", folder=file.parent, signature=signature)


def untrusted_version(house: House) -> ModelVersion:
    folder = house.home / "untrusted"
    folder.mkdir()
    open_format("python").save(Adding(1.0), folder)
    found = house.registry.register(
        "surge", format="python", folder=folder, signature=Signature.of(["a", "b"], ["p"]), trust=True
    )
    with house.metadata.change() as change:
        change.connection.exec_driver_sql("UPDATE registry_versions SET trusted_by = NULL WHERE id = ?", (found.id,))
        change.emit("registry.version.trusted", found.node)
    return house.registry.version(found.id)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (crashing_version, Corrupt, "lightgbm model ended the process that it was tried in, with SIG"),
        (lambda house: house.register(Leaving()), Corrupt, "with code 3"),
        (lambda house: house.register(Broken()), Corrupt, "RuntimeError: this model is broken"),
        (untrusted_version, NotAllowed, "nobody vouched"),
    ],
    ids=["crashes", "leaves", "fails", "untrusted"],
)
def test_a_version_that_fails_its_trial_is_refused_and_the_old_route_stays(make, error, said, house, connect):
    good = house.deploy(Adding(1.0))
    client = connect(house.start())
    bad = make(house)
    with pytest.raises(error, match=said):
        house.serving.set_route("surge", {good.id: 50.0, bad.id: 50.0})
    assert house.serving.route("surge").weights == {good.id: 100.0}
    house.applied()
    assert value_of(client.infer([1.0, 2.0])) == 4.0
    assert not list((house.home / "serving" / "models").glob(f"*{bad.id}*"))
    other = house.register(Adding(2.0))
    house.serving.set_route("surge", {other.id: 100.0})
    house.applied()
    assert value_of(client.infer([1.0, 2.0])) == 5.0
    assert house.serving.status().workers[0].failures == {}


def test_a_version_is_tried_once(house, tmp_path):
    needed = tmp_path / "needed"
    needed.touch()
    version = house.deploy(Picky(str(needed)))
    needed.unlink()
    house.serving.create_endpoint("other")
    house.serving.set_route("other", {version.id: 100.0})
    assert house.serving.route("other").weights == {version.id: 100.0}


def test_a_routed_version_that_fails_on_this_machine_holds_only_its_own_endpoints_back(house, connect, tmp_path):
    needed = tmp_path / "needed"
    needed.touch()
    good = house.deploy(Adding(1.0))
    picky = house.register(Picky(str(needed)))
    house.serving.create_endpoint("picky")
    house.serving.set_route("picky", {picky.id: 100.0})
    needed.unlink()
    folder = ServingFolder(house.home)
    shutil.rmtree(folder.root)  # as on a machine that has served nothing yet
    generation = house.serving.publish()
    refused = {version.id: version.refused for version in read_snapshot(folder.snapshot).versions}
    assert refused[good.id] == ""
    assert "something is missing on this machine" in refused[picky.id]
    client = connect(house.start())
    assert value_of(client.infer([1.0, 2.0])) == 4.0
    assert client.infer([1.0, 2.0], path="picky").status == 503
    assert "something is missing" in house.serving.status().workers[0].failures[picky.id]
    needed.touch()
    house.serving._publisher._retry_at = 0.0  # half a minute later
    assert house.serving.publish() == generation
    house.applied()
    assert client.infer([1.0, 2.0], path="picky").status == 200


def test_the_description_of_a_version_is_written_only_after_its_trial(house):
    with pytest.raises(TidewheelError):
        house.serving.open_version(house.register(Broken()).id)
    version = house.register(Adding(1.0))
    house.serving.open_version(version.id)
    described = ServingFolder(house.home).model(version.id) / "version.json"
    assert msgspec.json.decode(described.read_bytes())["refused"] == ""


class Afternoon:
    """Answers only what its sample shows: rows with an hour after noon."""

    def predict(self, rows):
        if (rows[:, 1] < 12).any():
            raise ValueError("an hour after noon is needed")
        return rows[:, :1]


@pytest.mark.parametrize(
    ("sample", "works"),
    [
        ({"a": [1, 2], "b": [13, 14]}, True),
        ({"a": [1], "b": [3]}, False),
        ({"a": ["x"], "b": [13]}, False),
        ({}, False),
    ],
)
def test_a_version_is_tried_on_its_sample_where_that_is_numbers_and_on_zeros_else(sample, works, house):
    version = house.register(Afternoon(), sample=pa.table(sample) if sample else None)
    if works:
        house.serving.open_version(version.id)
    else:
        with pytest.raises(Corrupt, match="ValueError: an hour after noon is needed"):
            house.serving.open_version(version.id)
