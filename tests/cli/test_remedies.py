"""What an error tells to do can be done as it is told: names and commands are filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.runner import tidewheel
from tests.server.install import register

from tidewheel.app import open_platform
from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.base.settings import Settings
from tidewheel.rollout import Canary


def test_a_setting_of_the_wrong_kind_is_told_with_its_variable_and_default() -> None:
    for name, value, kind, told in (
        ("server.port", "many", int, "whole number"),
        ("costs.cpu_hour_usd", "free", float, "no number"),
    ):
        with pytest.raises(InvalidInput, match=told) as refused:
            Settings({}, {"TIDEWHEEL_" + name.replace(".", "_").upper(): value}).get(name, kind)
        assert f"TIDEWHEEL_{name.replace('.', '_').upper()}" in refused.value.fix


def test_a_second_rollout_is_refused_with_the_command_that_ends_the_first(tmp_path: Path) -> None:
    with open_platform(tmp_path / "home", Settings(environ={})) as platform:
        versions = [register(platform, tmp_path / name) for name in ("v1", "v2", "v3")]
        platform.serving.create_endpoint("surge")
        platform.serving.set_route("surge", {versions[0].id: 100.0})
        running = platform.rollout.start("surge", None, versions[1].id, Canary())
        with pytest.raises(Conflict) as refused:
            platform.rollout.start("surge", None, versions[2].id, Canary())
    assert f"`tidewheel rollouts abort {running.id}`" in refused.value.fix


def test_rows_to_compare_on_that_are_not_there_are_said_so(tmp_path: Path) -> None:
    with open_platform(tmp_path / "home", Settings(environ={})) as platform:
        register(platform, tmp_path / "v1")
    command = ("models", "optimize", "surge/1", "--rows", tmp_path / "nope.parquet", "--home", tmp_path / "home")
    refused = tidewheel(*command)
    assert refused.exit_code == 2
    assert f"There is no file {tmp_path / 'nope.parquet'}." in refused.err
