"""`tidewheel server`, `controller` and `serve` as processes: each says in one line where it runs, once it does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.ports import free_ports
from tests.supervisor.test_supervisor import taken

pytestmark = pytest.mark.timeout(120)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tidewheel.cli", *(str(word) for word in words)]


@contextmanager
def started(*words: object, **environment: str) -> Iterator[str]:
    """The first line that a part says."""
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=60)
    assert rest == ""


def refused(*words: object) -> tuple[int, str]:
    ended = subprocess.run(command(*words), capture_output=True, text=True, timeout=60)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_a_control_plane_says_its_address_and_home_when_it_answers(tmp_path: Path) -> None:
    with started("server", "--home", tmp_path / "home", "--port", 0) as said:
        part, url, home = said.strip().split("  ")
        with urlopen(f"{url}/health/live", timeout=10) as answer:
            assert answer.status == 200
    assert (part, home) == ("control plane", f"home {tmp_path / 'home'}")


def test_a_taken_port_is_an_error_that_says_how_to_mend_it(tmp_path: Path) -> None:
    port = free_ports(2)
    with taken(port):
        code, said = refused("server", "--home", tmp_path / "home", "--port", port)
    assert code == 1
    assert f"127.0.0.1:{port}" in said
    assert "Stop what listens there, or give another --port." in said
    assert not (tmp_path / "home").exists()


def test_a_controller_says_which_install_it_looks_after(tmp_path: Path) -> None:
    with started("controller", "--home", tmp_path / "home", "--json") as said:
        assert json.loads(said) == {"part": "controller", "url": "", "home": str(tmp_path / "home")}


def test_workers_alone_say_where_they_answer_and_move_grpc_with_their_port(tmp_path: Path) -> None:
    port = free_ports(2)
    with started("serve", "--home", tmp_path, "--port", port, "--workers", 1) as said:
        with urlopen(f"http://127.0.0.1:{port}/v2/health/live", timeout=10) as answer:
            assert answer.status == 200
        with socket.create_connection(("127.0.0.1", port + 1), timeout=10):
            pass
    assert said == f"inference  http://127.0.0.1:{port}  gRPC 127.0.0.1:{port + 1}  home {tmp_path}\n"


def test_workers_leave_grpc_where_a_setting_puts_it(tmp_path: Path) -> None:
    port = free_ports(2)
    with started("serve", "--home", tmp_path, "--port", port, "--workers", 1, TIDEWHEEL_SERVING_GRPC_PORT="-1") as said:
        assert "gRPC" not in said


def test_workers_of_no_install_are_refused(tmp_path: Path) -> None:
    code, said = refused("serve", "--home", tmp_path / "nowhere", "--port", 0)
    assert code == 2
    assert f"no install at {tmp_path / 'nowhere'}" in said
    assert not (tmp_path / "nowhere").exists()


def test_workers_on_a_taken_port_are_refused(tmp_path: Path) -> None:
    port = free_ports(2)
    with taken(port):
        code, said = refused("serve", "--home", tmp_path, "--port", port)
    assert code == 1
    assert f"127.0.0.1:{port} cannot be bound" in said
