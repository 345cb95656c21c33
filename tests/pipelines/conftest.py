"""A platform and a warm runner for all tests, fresh ones for those that kill things, and project files to run."""

import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from small_platform import OPENER, SmallPlatform

from tidewheel.pipelines import PipelineRun
from tidewheel.pipelines.local_processes import LocalProcesses

HEAD = """
import os, signal, time
from pathlib import Path
import tidewheel.pipelines as tw
from tidewheel.tracking import log_metric, log_param
HERE = Path(__file__).parent

def mark(name):
    with (HERE / "marks").open("a") as marks:
        marks.write(name + "\\n")
"""


class SharedRunner(LocalProcesses):
    """One runner for many runs, since starting one takes a second: a run's end does not end it."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def shared_runner(shared_home: Path) -> Iterator[SharedRunner]:
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    runner = SharedRunner.launch(shared_home, OPENER, shared_home / "project.py", environment)
    yield runner
    LocalProcesses.close(runner)


@pytest.fixture
def platform(shared_home: Path) -> Iterator[SmallPlatform]:
    opened = SmallPlatform(shared_home)
    yield opened
    opened.close()


@pytest.fixture
def execute(platform: SmallPlatform, shared_runner: SharedRunner) -> Callable[..., PipelineRun]:
    """Start a pipeline of a project file and drive it to its end here."""

    def start_and_drive(file: Path, name: str, **params: object) -> PipelineRun:
        started = platform.pipelines.start(f"{file}:{name}", params)
        done = platform.pipelines.execute(started.id, shared_runner)
        assert done is not None
        return done

    return start_and_drive


@pytest.fixture
def own_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallPlatform]:
    """A platform on a home of its own, which starts runners of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    home = tmp_path / "home"
    home.mkdir()
    opened = SmallPlatform(home)
    yield opened
    opened.close()


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Write a project file; `mark(name)` in it leaves a line in the file `marks` beside it."""

    def write(source: str) -> Path:
        file = tmp_path / "project.py"
        file.write_text(HEAD + textwrap.dedent(source))
        return file

    return write


@pytest.fixture
def marks(tmp_path: Path) -> Callable[[], list[str]]:
    def read() -> list[str]:
        file = tmp_path / "marks"
        return file.read_text().split() if file.exists() else []

    return read


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds, with a deadline."""

    def wait(condition: Callable[[], object], deadline_s: float = 30.0) -> None:
        until = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < until, "the condition did not come true in time"
            time.sleep(0.02)

    return wait
