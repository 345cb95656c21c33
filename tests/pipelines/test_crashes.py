"""Real signals on real processes: whatever dies, what was finished stays finished and the run comes to its end."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_platform import OPENER, SmallPlatform

from tidewheel.pipelines import RunState
from tidewheel.storage.journal import read_entries

pytestmark = pytest.mark.crash

SOURCE = """
@tw.step
def first():
    mark("first")
    return 1

@tw.step(retries=RETRIES)
def second(x):
    mark("second")
    (HERE / "step.pid").write_text(str(os.getpid()))
    (HERE / "runner.pid").write_text(str(os.getppid()))
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return x + 1

@tw.pipeline
def fit():
    done = first()
    done.result()
    (HERE / "driver.pid").write_text(str(os.getpid()))
    return second(done)
"""


def started(platform, file):
    run = platform.pipelines.start(f"{file}:fit")
    platform.pipelines.revive()
    return run.id


def pid_of(tmp_path: Path, who: str) -> int:
    file = tmp_path / f"{who}.pid"
    return int(file.read_text()) if file.exists() and file.read_text() else 0


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def ended(platform, run_id):
    platform.pipelines.revive()
    run = platform.pipelines.run(run_id)
    return run if run.state not in {RunState.QUEUED, RunState.RUNNING} else None


@pytest.mark.parametrize("victim", ["driver", "runner"])
def test_a_run_whose_process_is_killed_goes_on_where_it_was(own_platform, project, marks, tmp_path, eventually, victim):
    run_id = started(own_platform, project(SOURCE.replace("RETRIES", "0")))
    eventually(lambda: marks() == ["first", "second"] and pid_of(tmp_path, "step") and pid_of(tmp_path, "runner"))
    pids = {who: pid_of(tmp_path, who) for who in ("driver", "runner", "step")}
    os.kill(pids[victim], signal.SIGKILL)
    eventually(lambda: is_gone(pids["driver"]) and is_gone(pids["step"]))
    (tmp_path / "go").touch()
    eventually(lambda: ended(own_platform, run_id))
    run = own_platform.pipelines.run(run_id)
    assert (run.state, run.result, run.starts) == (RunState.SUCCEEDED, 2, 2), run.error
    assert marks() == ["first", "second", "second"]
    states = [(step.key, step.attempt, str(step.state)) for step in own_platform.pipelines.steps(run_id)]
    assert states == [("first#1", 1, "succeeded"), ("second#1", 1, "lost"), ("second#1", 2, "succeeded")]
    with own_platform.metadata.read() as connection:
        kinds = [entry.kind for entry in read_entries(connection, kinds=["pipelines.run."])]
    assert kinds == [f"pipelines.run.{verb}" for verb in ("queued", "started", "resumed", "succeeded")]
    assert own_platform.tracking.run(run.run_id).status == "FINISHED"


def test_a_killed_step_is_tried_again(own_platform, project, marks, tmp_path, eventually):
    run_id = started(own_platform, project(SOURCE.replace("RETRIES", "1")))
    eventually(lambda: pid_of(tmp_path, "step"))
    os.kill(pid_of(tmp_path, "step"), signal.SIGKILL)
    (tmp_path / "go").touch()
    eventually(lambda: ended(own_platform, run_id))
    assert own_platform.pipelines.result(run_id) == 2
    assert marks() == ["first", "second", "second"]
    killed = own_platform.pipelines.steps(run_id)[1]
    assert (str(killed.state), killed.wall_s > 0) == ("failed", True)


def test_a_killed_step_without_retries_fails_in_words(own_platform, project, tmp_path, eventually):
    run_id = started(own_platform, project(SOURCE.replace("RETRIES", "0")))
    eventually(lambda: pid_of(tmp_path, "step"))
    os.kill(pid_of(tmp_path, "step"), signal.SIGKILL)
    eventually(lambda: ended(own_platform, run_id))
    assert "Step second#1 failed: Its process was killed (signal 9)" in own_platform.pipelines.run(run_id).error


def test_closing_the_owner_ends_all_and_another_goes_on(own_platform, project, marks, tmp_path, eventually):
    run_id = started(own_platform, project(SOURCE.replace("RETRIES", "0")))
    eventually(lambda: pid_of(tmp_path, "runner"))
    pids = [pid_of(tmp_path, who) for who in ("driver", "runner", "step")]
    own_platform.pipelines.close()
    eventually(lambda: all(is_gone(pid) for pid in pids))
    (tmp_path / "go").touch()
    other = SmallPlatform(tmp_path / "home")
    eventually(lambda: ended(other, run_id))
    assert other.pipelines.result(run_id) == 2
    assert marks().count("first") == 1
    other.close()


def test_cancelling_a_run_ends_its_step(own_platform, project, tmp_path, eventually):
    run_id = started(own_platform, project(SOURCE.replace("RETRIES", "0")))
    eventually(lambda: pid_of(tmp_path, "step"))
    own_platform.pipelines.cancel(run_id)
    eventually(lambda: ended(own_platform, run_id))
    run = own_platform.pipelines.run(run_id)
    assert run.state is RunState.CANCELLED
    eventually(lambda: is_gone(pid_of(tmp_path, "step")))
    assert own_platform.tracking.run(run.run_id).status == "KILLED"


def test_the_runner_can_be_started_by_hand_for_one_run(own_platform, project, tmp_path):
    (tmp_path / "go").touch()
    file = project(SOURCE.replace("RETRIES", "0"))
    run = own_platform.pipelines.start(f"{file}:fit")
    command = [sys.executable, "-m", "tidewheel.pipelines.runner", "--home", str(tmp_path / "home")]
    command += ["--opener", OPENER, "--project", str(file), run.id]
    subprocess.run(command, check=True, timeout=60)
    assert own_platform.pipelines.result(run.id) == 2


def test_a_run_driven_here_outlives_its_runner(own_platform, project, marks, tmp_path, eventually):
    run = own_platform.pipelines.start(f"{project(SOURCE.replace('RETRIES', '0'))}:fit")
    results: list[object] = []
    here = threading.Thread(target=lambda: results.append(own_platform.pipelines.execute(run.id)))
    here.start()
    eventually(lambda: pid_of(tmp_path, "runner"))
    os.kill(pid_of(tmp_path, "runner"), signal.SIGKILL)
    eventually(lambda: marks().count("second") == 2)  # before that the step that lost its runner must not end
    (tmp_path / "go").touch()
    here.join(30)
    assert [done.result for done in results] == [2]
    assert marks() == ["first", "second", "second"]
