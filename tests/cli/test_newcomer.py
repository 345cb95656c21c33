"""What a newcomer meets first: a folder without an install, one that is closed, a name that is not there."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from tests.cli.runner import tidewheel

from tidewheel.app import open_platform
from tidewheel.base.errors import InvalidInput, Unavailable
from tidewheel.base.settings import Settings
from tidewheel.demo.template_files import TEMPLATE

READING = ["models ls", "data log rides", "audit verify", "lineage version:v", "costs", "delivery", "doctor", "loop ls"]


@pytest.mark.parametrize("words", READING)
def test_a_command_that_reads_says_that_there_is_no_install_and_makes_none(words: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    outcome = tidewheel(*words.split(), "--home", home)
    assert outcome.exit_code == 2
    assert "There is no install at" in outcome.err
    assert "tidewheel up" in outcome.err
    assert not home.exists()


def test_a_command_that_makes_something_begins_an_install(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "rides.csv"
    file.write_text("zone,wait_s\na,30\n")
    assert tidewheel("data", "import", "rides", file, "--home", home).exit_code == 0
    assert "rides" in tidewheel("data", "ls", "--home", home).out


@pytest.mark.parametrize("name", ["home", "home/below"])
def test_a_home_that_is_a_file_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    outcome = tidewheel("tokens", "create", "vera", "--home", tmp_path / name)
    assert (outcome.exit_code, "--home" in outcome.err) == (1, True)


def test_a_project_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = tidewheel("init", tmp_path / "file" / "project")
    assert outcome.exit_code == 1
    assert "Name another folder" in outcome.err


def test_postgresql_without_its_driver_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = Settings({"storage.metadata_url": "postgresql://localhost/tides"}, environ={})
    with pytest.raises(Unavailable) as refused:
        open_platform(tmp_path, settings)
    assert "tidewheel[postgres]" in refused.value.fix


@pytest.mark.parametrize("address", ["nonsense", "voodoo://localhost/tides"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="address"):
        open_platform(tmp_path, Settings({"storage.metadata_url": address}, environ={}))


@pytest.mark.parametrize("up", [False, True], ids=["never begun", "gone"])
def test_the_templates_traffic_says_that_nothing_is_up(
    up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if up:
        addresses = {"control_plane": "http://127.0.0.1:9", "inference": "http://127.0.0.1:9"}
        (tmp_path / "up.json").write_text(json.dumps(addresses))
    monkeypatch.setattr(sys, "argv", ["traffic.py", "--home", str(tmp_path)])
    with pytest.raises(SystemExit, match="tidewheel up project"):
        runpy.run_path(str(TEMPLATE / "traffic.py"), run_name="__main__")


def test_the_version_is_an_option_too() -> None:
    assert tidewheel("--version").out.startswith("tidewheel ")
    assert tidewheel("--version").out == tidewheel("version").out
    assert tidewheel("version", "--json").json["version"] in tidewheel("version").out


def test_the_monitors_of_an_endpoint_that_is_not_there_are_not_found(tmp_path: Path) -> None:
    with open_platform(tmp_path, Settings(environ={})) as platform:
        platform.serving.create_endpoint("surge")
    assert tidewheel("monitors", "report", "surge", "--home", tmp_path).exit_code == 0
    assert tidewheel("monitors", "report", "nope", "--home", tmp_path).exit_code == 2
