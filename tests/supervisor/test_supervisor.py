"""`tidewheel up`, as processes: it says where it answers, keeps its children running, drains, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.crash.install import Install, installed, processes_of
from tests.ports import free_ports

from tidewheel.base.settings import Settings
from tidewheel.supervisor import Supervisor, addresses_of

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]
EVERYTHING = {"server", "controller", "worker"}


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """One that goes on running, whatever is done to its children."""
    with installed(tmp_path_factory.mktemp("up") / "home") as install:
        yield install


def test_it_prints_addresses_that_answer(install: Install) -> None:
    for url in (
        f"{install.addresses['inference']}/v2/health/ready",
        f"{install.addresses['control_plane']}/health/live",
    ):
        with urlopen(url, timeout=10) as answer:
            assert answer.status == 200
    assert set(processes_of(install.home).values()) >= EVERYTHING
    found = addresses_of(install.home)
    assert found is not None
    assert found.inference == install.addresses["inference"]


@pytest.mark.parametrize("kind", ["server", "controller", "worker"])
def test_a_child_that_dies_is_started_again(install: Install, kind: str) -> None:
    before = install.pids(kind)
    killed = install.kill(kind)
    wait(lambda: len(install.pids(kind)) == len(before) and killed not in install.pids(kind))


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_it_drains_when_asked_to_stop(tmp_path: Path, asked: signal.Signals) -> None:
    with installed(tmp_path / "home") as install:
        assert install.process is not None
        install.process.send_signal(asked)
        assert install.process.wait(20) == 0
        assert processes_of(install.home) == {}
        assert addresses_of(install.home) is None
        assert not (install.home / "up.json").exists()


def test_a_second_one_on_the_same_home_is_refused_and_told_whose_it_is(install: Install) -> None:
    second = subprocess.run(up(install.home, as_json=False), capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"already up (process {install.process.pid if install.process else 0})" in " ".join(second.stderr.split())
    assert install.process is not None
    assert install.process.poll() is None


def test_killed_it_leaves_no_process_and_comes_back_at_the_same_addresses(tmp_path: Path) -> None:
    with installed(tmp_path / "home", port=free_ports(3)) as install:
        before = {**install.addresses, "pid": ""}
        install.kill_supervisor()
        install.up()
        assert {**install.addresses, "pid": ""} == before
        install.kill_supervisor()
        wait(lambda: processes_of(install.home) == {})


def test_killed_at_any_moment_of_its_start_it_starts_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for moment_s in (0.2, 0.7, 1.2, 2.0):
        process = subprocess.Popen(up(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment_s)  # not a wait for something: the moment is what is tried
        for pid in (process.pid, *processes_of(home)):
            os.kill(pid, signal.SIGKILL)
        process.wait()
    with installed(home) as install:
        assert set(processes_of(install.home).values()) >= EVERYTHING


def test_taken_ports_that_nobody_asked_for_are_told_and_others_used(tmp_path: Path) -> None:
    port = free_ports(3)
    wanted = {"server.port": port, "serving.port": port + 1, "serving.grpc_port": -1}
    with taken(port), taken(port + 1):
        supervisor = Supervisor(tmp_path / "home", None, Settings(wanted))
    supervisor.stop()
    page, inference = supervisor.moved_ports
    assert page.startswith(f"Port {port} is taken; the page uses ")
    assert inference.startswith(f"Port {port + 1} is taken; inference uses ")
    assert f":{port}" not in supervisor.addresses.control_plane


@pytest.mark.parametrize("beside", [0, 1], ids=["page", "inference"])
def test_a_port_that_was_asked_for_is_never_exchanged_for_another(tmp_path: Path, beside: int) -> None:
    port = free_ports(3)
    with taken(port + beside):
        refused = subprocess.run(up(tmp_path / "home", port), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    error = json.loads(refused.stdout)["error"]
    assert f"127.0.0.1:{port + beside}" in error["message"]
    assert "--port" in error["fix"]
    assert processes_of(tmp_path / "home") == {}


def test_a_port_of_the_environment_was_asked_for_too(tmp_path: Path) -> None:
    port = free_ports(3)
    command = [sys.executable, "-m", "tidewheel.cli", "up", "--home", str(tmp_path / "home")]
    environment = {**os.environ, "TIDEWHEEL_SERVER_PORT": str(port), "TIDEWHEEL_SERVING_PORT": "0"}
    with taken(port):
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr


def up(home: Path, port: int = 0, *, as_json: bool = True) -> list[str]:
    command = [sys.executable, "-m", "tidewheel.cli", "up", "--home", str(home), "--port", str(port)]
    return [*command, "--json"] if as_json else command


def wait(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def test_a_project_that_cannot_be_declared_is_told_where_it_was_started(tmp_path: Path) -> None:
    project = tmp_path / "project.py"
    project.write_text("def x(:\n")
    command = [
        sys.executable,
        "-m",
        "tidewheel.cli",
        "up",
        str(project),
        "--home",
        str(tmp_path / "home"),
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = next(line for line in process.stderr if "project" in line)
    process.terminate()
    process.communicate(timeout=30)
    assert "SyntaxError" in said
    assert "what was declared before goes on" in said


def test_a_control_plane_open_to_others_without_a_token_is_refused_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "TIDEWHEEL_SERVER_HOST": "0.0.0.0"}
    ran = subprocess.run(up(tmp_path / "home"), capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 1
    assert "without a token" in ran.stdout + ran.stderr
    assert processes_of(tmp_path / "home") == {}
