"""What it takes to run a run again is written down unasked, and secrets are not."""

import random
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.tracking.repository import Repository

from tidewheel import tracking as tw
from tidewheel.app import open_platform
from tidewheel.base import ambient
from tidewheel.base.errors import InvalidInput
from tidewheel.tracking import sdk
from tidewheel.tracking.capture import command, machine, seeds
from tidewheel.tracking.capture.source_code import read_source
from tidewheel.tracking.run_report import read_artifact, read_environment


@pytest.fixture
def repository(tmp_path):
    return Repository.make(tmp_path)


def test_git_tells_commit_branch_and_remote_without_the_password(repository):
    found = read_source(repository.folder)
    assert found.commit == repository.git("rev-parse", "HEAD")
    assert (found.branch, found.remote, found.dirty) == ("main", "https://example.org/surge.git", False)


def test_git_tells_what_is_not_committed(repository):
    (repository.folder / "train.py").write_text("print(1)\n")
    (repository.folder / "notes.txt").write_text("n")
    found = read_source(repository.folder)
    assert found.dirty
    assert b"+print(1)" in found.diff
    assert found.untracked == ("notes.txt",)


def test_reading_a_repository_takes_none_of_its_own_programs(repository, tmp_path):
    (repository.folder / ".gitattributes").write_text("*.py diff=evil\n")
    (repository.folder / "train.py").write_text("print(1)\n")
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.fsmonitor"):
        repository.git("config", key, f"touch {tmp_path}/ran; cat")
    assert read_source(repository.folder).dirty
    assert not (tmp_path / "ran").exists()


def test_outside_a_repository_there_is_nothing_to_tell(tmp_path):
    assert read_source(tmp_path) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--token=abc"], ["--token=[hidden]"]),
        (["--api-key", "abc"], ["--api-key", "[hidden]"]),
        (["--db", "postgres://me:pw@host/x"], ["--db", "postgres://host/x"]),
        (["--depth", "6"], ["--depth", "6"]),
    ],
)
def test_passwords_on_the_command_line_are_hidden(given, told):
    assert command.hide_secrets(given) == told


def test_only_variables_on_the_list_are_written_down():
    assert command.variables({"AWS_SECRET_ACCESS_KEY": "x", "OMP_NUM_THREADS": "2"}) == {"OMP_NUM_THREADS": "2"}


def test_packages_are_those_that_are_installed():
    assert machine.packages()["numpy"] == np.__version__


@pytest.fixture
def unseeded(monkeypatch):
    monkeypatch.setattr(seeds, "_set", {})
    state = np.random.get_state()
    yield
    np.random.set_state(state)


def test_a_seed_makes_draws_the_same_and_the_run_says_so(tracking, unseeded):
    with tw.start_run(capture=False) as run:
        assert tw.seed(7).items() >= {"random": 7, "numpy": 7}.items()
        first = random.random(), np.random.rand()
        tw.seed(7)
        assert (random.random(), np.random.rand()) == first
    assert tracking.run(run.id).tags["tidewheel.seed"] == "7"


def test_beginning_a_run_changes_no_draw_after_the_seed(repository):
    code = (
        "import os, random, sys\nimport tidewheel as tw\ntw.seed(7)\nbefore = random.getstate()\n"
        "tw.connect('http://127.0.0.1:1')\nassert random.getstate() == before\n"
        "assert 'rich.style' in sys.modules\n"  # which draws when it is imported
    )
    subprocess.run([sys.executable, "-c", code], env=repository.environment(), check=True)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_seed_that_some_library_would_refuse_is_refused(number):
    with pytest.raises(InvalidInput, match="cannot be a seed"):
        tw.seed(number)


def test_a_run_keeps_its_environment_and_a_child_shares_it(tracking):
    with tw.start_run("surge") as parent, tw.start_run() as child:
        pass
    told = read_environment(tracking, tracking.run(parent.id))
    assert told.keys() >= {"command", "packages", "python", "hardware", "platform", "seeds", "variables"}
    assert read_environment(tracking, tracking.run(child.id)) == told
    assert [artifact.path for artifact in tracking.artifacts(child.id)] == []


def test_capture_can_be_switched_off(tracking, monkeypatch):
    monkeypatch.setenv("TIDEWHEEL_TRACKING_CAPTURE", "false")
    with tw.start_run() as run:
        pass
    assert tracking.artifacts(run.id) == []


def test_beginning_a_run_does_not_wait_for_what_is_captured(tracking, monkeypatch):
    begun = threading.Event()
    monkeypatch.setattr(machine, "describe", lambda: {"waited": begun.wait(30)})
    with tw.start_run() as run:
        begun.set()
    assert read_environment(tracking, tracking.run(run.id))["waited"] is True


def test_a_failure_to_capture_fails_no_run(tracking, monkeypatch, caplog):
    def broken():
        raise RuntimeError("no /proc")

    monkeypatch.setattr(machine, "describe", broken)
    with tw.start_run() as run:
        pass
    assert tracking.run(run.id).status == "FINISHED"
    assert "no /proc" in caplog.text


def test_what_is_read_within_a_run_becomes_its_tags(tracking):
    ambient.tell_read("data", "before", "1")
    with tw.start_run(capture=False) as run:
        for number in ("4", "4", "5"):
            ambient.tell_read("data", "rides", number)
        ambient.tell_read("features", "surge", "9ab1")
    tags = tracking.run(run.id).tags
    assert tags["tidewheel.data.rides"] == "4, 5"
    assert tags["tidewheel.features.surge"] == "9ab1"
    assert "tidewheel.data.before" not in tags


def test_a_pipelines_run_says_how_to_run_the_pipeline_and_keeps_a_project_that_git_lacks(tracking, tmp_path):
    project = tmp_path / "project.py"
    project.write_text("# mine\n")
    run = tracking.start_run("surge")
    token = ambient.active_run.set(run.id)
    try:
        sdk.capture_pipeline(project, "fit", {"depth": 6})
        sdk.wait_for_capture()
        tw.flush()
    finally:
        ambient.active_run.reset(token)
    told = read_environment(tracking, run)["command"]
    assert told["argv"] == ["tidewheel", "run", f"{project}:fit", "-p", "depth=6"]
    assert read_artifact(tracking, run.id, told["script_artifact"]) == b"# mine\n"


def test_a_script_says_commit_command_and_packages(repository):
    run_id = repository.train("steady", "--token=abc")
    with open_platform(repository.home) as platform:
        run = platform.tracking.run(run_id)
        told = read_environment(platform.tracking, run)
    assert run.tags["mlflow.source.git.commit"] == told["git"]["commit"] == repository.git("rev-parse", "HEAD")
    assert run.tags["mlflow.source.name"] == str(repository.folder / "train.py")
    assert (run.tags["tidewheel.git.dirty"], run.tags["tidewheel.seed"]) == ("false", "7")
    assert told["command"]["argv"][1:] == ["train.py", "steady", "--token=[hidden]"]
    assert (told["seeds"], told["command"]["hidden"]) == ({"numpy": 7, "random": 7}, True)
