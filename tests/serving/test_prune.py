"""Versions that nobody serves leave the disk of the workers, and nothing that anybody may yet read does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.house import value_of
from tests.serving.models import Adding

from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.registry.load import check_files
from tidewheel.serving import Serving
from tidewheel.serving.prune import prune
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.storage.backends.local_blobs import LocalBlobs

SOON_S = 1e-9


def publish(house, **settings):
    """Publish as another process of the home would, with settings of its own."""
    values = Settings({f"serving.{name}": value for name, value in settings.items()})
    blobs, clock = LocalBlobs(house.home / "blobs"), SystemClock()
    Serving(house.metadata, house.registry, house.features, blobs, house.log, clock, values, house.home).publish()


def route(house, model):
    version = house.register(model)
    house.serving.set_route("surge", {version.id: 100.0})
    return version.id


def kept(house):
    return {path.name for path in (house.home / "serving" / "models").iterdir()}


@pytest.fixture
def versions(house):
    """Four champions, one after the other."""
    house.serving.create_endpoint("surge")
    return [route(house, Adding(float(number))) for number in range(4)]


def test_what_no_route_names_goes_and_comes_back_when_it_is_wanted(house, versions, connect):
    client = connect(house.start())
    house.applied()
    publish(house, keep_models_s=SOON_S)
    assert kept(house) == set(versions[2:])  # the champion, and the one before it, which stands by
    assert value_of(client.infer([1.0, 2.0])) == 6.0
    assert value_of(client.infer([1.0, 2.0], path=f"surge/versions/{versions[2]}")) == 5.0
    house.serving.set_route("surge", {versions[0]: 100.0})
    house.applied()
    assert value_of(client.infer([1.0, 2.0])) == 3.0


@pytest.mark.parametrize("keep_s", [0, 3600.0], ids=["for ever", "an hour"])
def test_what_was_routed_lately_stays_as_long_as_it_is_said_to(house, versions, keep_s):
    publish(house, keep_models_s=keep_s)
    assert kept(house) == set(versions)


def test_the_time_runs_from_when_a_version_was_last_routed_not_from_when_it_was_fetched(house, versions):
    folder = ServingFolder(house.home)
    for version in versions:
        os.utime(folder.description(version), (0, 0))
    route(house, Adding(9.0))
    publish(house, keep_models_s=3600.0)
    assert kept(house) >= set(versions[2:])
    assert not kept(house) & set(versions[:2])


def test_a_version_that_is_scored_with_counts_as_wanted(house, versions):
    os.utime(ServingFolder(house.home).description(versions[0]), (0, 0))
    house.serving.opening(versions[0])
    publish(house, keep_models_s=3600.0)
    assert versions[0] in kept(house)


def test_nothing_goes_while_a_worker_runs_what_was_before(house, versions):
    group = house.start()
    house.applied()
    (pid,) = group.pids.values()
    os.kill(pid, signal.SIGSTOP)
    try:
        newest = route(house, Adding(9.0))
        publish(house, keep_models_s=SOON_S)
        assert kept(house) == {*versions, newest}
    finally:
        os.kill(pid, signal.SIGCONT)
    house.applied()
    publish(house, keep_models_s=SOON_S)
    assert kept(house) == {versions[3], newest}


def test_feature_plans_go_with_the_last_version_that_needs_them(house):
    house.serving.create_endpoint("surge")
    house.serving.set_route("surge", {house.register_zones(Adding(1.0)).id: 100.0})
    publish(house, keep_models_s=SOON_S)
    (plan,) = (house.home / "serving" / "plans").iterdir()
    for number in range(2):
        route(house, Adding(float(number)))
    publish(house, keep_models_s=SOON_S)
    assert not plan.exists()


def test_a_damaged_snapshot_prunes_nothing(house, versions):
    folder = ServingFolder(house.home)
    folder.snapshot.write_bytes(b"{")
    assert prune(folder, SOON_S) == []
    assert kept(house) == set(versions)


@pytest.mark.crash
def test_a_process_killed_while_it_prunes_leaves_only_whole_versions_and_the_next_one_ends_the_work(
    house, versions, tmp_path
):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.serving.killed_prune", str(house.home / "serving"), str(out)]
    deeds = int(subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2]).stdout)
    assert deeds > 6  # two folders, each renamed, emptied and removed
    files = {version: house.registry.version(version).files for version in versions}
    for deed in range(1, deeds + 1):
        folder = ServingFolder(out / str(deed))
        there = {place.name for place in folder.models.iterdir() if not place.name.startswith(".")}
        assert there >= set(versions[2:])
        for version in there:
            assert folder.description(version).is_file()
            check_files(folder.model(version) / "files", files[version])  # raises where one is not whole
        prune(folder, SOON_S)
        assert {place.name for place in folder.models.iterdir()} == set(versions[2:])


def test_what_a_killed_process_was_fetching_goes_when_nobody_has_gone_on_with_it_for_long(house, versions):
    folder = ServingFolder(house.home)
    half = folder.models / ".ver_half.1.2"
    (half / "files").mkdir(parents=True)
    publish(house, keep_models_s=SOON_S)
    assert half.is_dir()
    for path in (half / "files", half):
        os.utime(path, (0, 0))
    publish(house, keep_models_s=3600.0)
    assert not half.exists()
