"""`tidewheel up`: starts the processes of one home, keeps them running, and drains them on ^C or SIGTERM.

Control plane, controller and inference workers are children started by command line, so that each can also be run
alone. A child that dies is started again within a second, with a growing pause if it keeps dying. If the supervisor
itself is killed, its children notice and drain. One supervisor a home: a lock file says whose it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from tidewheel.base.errors import Conflict, Unavailable
from tidewheel.base.parent import as_parent
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.supervise import WorkerGroup
from tidewheel.serving.watching import live_generations

PROJECT_TROUBLE = "project-trouble.txt"
"""In a home: why its project could not be declared, as the controller says; absent when all is well."""

_WRONG_USE = 2  # the exit code of a process that was asked for what it will never do
_LOOK_EVERY_S = 0.1
_STEADY_S = 10.0  # a child that lived this long has its restart pause forgiven
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an install answers, and which supervisor keeps it up."""

    home: str
    control_plane: str
    inference: str
    pid: int
    grpc: str = ""
    """Where the workers answer gRPC, as host:port; empty where they do not."""


@dataclass(slots=True)
class Child:
    """One process kept running."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = 0.0

    def start(self, log: Path) -> None:
        """Start the process, its output appended to its log file."""
        with log.open("ab") as output:
            environment = {**self.environment, **as_parent()}
            self.process = subprocess.Popen(
                list(self.command), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.started = time.monotonic()

    def look(self, log: Path) -> int | None:
        """Start the process again if it has died; return its exit code in that case."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start(log)
            return None
        code = self.process.poll()
        if code is None:
            return None
        self.deaths = 1 if now - self.started > _STEADY_S else self.deaths + 1
        self.start_at = now + min(0.1 * 2 ** min(self.deaths - 1, 20), _LONGEST_PAUSE_S)
        self.process = None
        return code

    def end_soon(self) -> None:
        """Ask the process to drain."""
        if self.process is not None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for its end until `deadline` (monotonic seconds), then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Supervisor:
    """Keeps the processes of one home running. `run` blocks until told to stop."""

    def __init__(self, home: Path, project: Path | None, settings: Settings, *, fixed_ports: bool = False) -> None:
        """`fixed_ports`: a taken port is refused, since somebody asked for it; else a free one is used instead.

        Raises:
            Conflict: if the home is up already, or a fixed port is taken.
        """
        self.home = home
        self._settings = settings
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(_locked(home))
        _let_drain(home, settings.get("serving.drain_timeout_s", float) + 2)
        port, moved_server = _free_port(settings.get("server.host", str), settings.get("server.port", int), fixed_ports)
        self._workers, moved_workers = _worker_group(home, settings, fixed_ports)
        self.moved_ports = [*moved_server, *moved_workers]
        host = settings.get("server.host", str)
        self.addresses = Addresses(
            str(home), f"http://{host}:{port}", self._workers.url, os.getpid(), self._workers.grpc_address
        )
        self._children = _children(home, project, settings, host, port)
        self._stopping = threading.Event()
        self._refusal = ""
        self._told = ""
        (home / PROJECT_TROUBLE).unlink(missing_ok=True)

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what runs now, by name."""
        children = {child.name: child.process.pid for child in self._children if child.process is not None}
        return children | {f"worker-{index}": pid for index, pid in self._workers.pids.items()}

    def start(self) -> None:
        """Start every process."""
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        (self.home / "up.json").write_text(json.dumps(asdict(self.addresses)))
        self._workers.start()
        for child in self._children:
            child.start(self._log(child))

    def wait_until_ready(self, within_s: float = 60.0) -> None:
        """Wait until workers and control plane answer, restarting what dies meanwhile.

        Raises:
            Unavailable: if one refuses to start, or does not answer in time.
        """
        deadline = time.monotonic() + within_s
        while not (self._workers.ready() and _answers(f"{self.addresses.control_plane}/health/live")):
            self._say(self.look())
            if self._refusal:
                raise Unavailable(self._refusal)
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"The install did not come up within {within_s:.0f} s.",
                    fix=f"See the logs in {self.home / 'logs'}.",
                )
            time.sleep(0.02)

    def look(self) -> list[str]:
        """Start again whatever has died; a sentence for each death, and for a project that cannot be declared."""
        said = self._workers.look()
        for child in self._children:
            code = child.look(self._log(child))
            if code is not None:
                said.append(f"{child.name} ended ({_how(code)}); starting it again. See {self._log(child)}")
            if code == _WRONG_USE:
                self._refusal = _last_line(self._log(child))
        return [*said, *self._project_news()]

    def _project_news(self) -> list[str]:
        """What the controller last said about the project, if that is new."""
        try:
            news = (self.home / PROJECT_TROUBLE).read_text()
        except FileNotFoundError:
            news = ""
        if news == self._told:
            return []
        self._told = news
        return [news or "The project is declared now."]

    def run(self) -> None:
        """Keep everything running until SIGINT or SIGTERM, then drain."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._say(self.look())
        self._say(["Draining."])
        self.stop()

    def stop(self) -> None:
        """Ask everything to drain; kill what does not end in time. Give the lock back."""
        for child in self._children:
            child.end_soon()
        self._workers.stop()
        deadline = time.monotonic() + self._settings.get("serving.drain_timeout_s", float)
        for child in self._children:
            child.end(deadline)
        (self.home / "up.json").unlink(missing_ok=True)
        self._lock.close()

    @staticmethod
    def _say(sentences: list[str]) -> None:
        for sentence in sentences:
            print(sentence, file=sys.stderr, flush=True)

    def _ask_to_stop(self, *_signal: object) -> None:
        self._stopping.set()

    def _log(self, child: Child) -> Path:
        return self.home / "logs" / f"{child.name}.log"


def addresses_of(home: Path) -> Addresses | None:
    """Where the install of a home answers now, or None when none is up."""
    try:
        found = Addresses(**json.loads((home / "up.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if _is_locked(home) else None


def _let_drain(home: Path, within_s: float) -> None:
    """Wait for workers of a supervisor that was killed: they still answer, on the ports that we may want."""
    deadline = time.monotonic() + within_s
    while live_generations(ServingFolder(home)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _children(home: Path, project: Path | None, settings: Settings, host: str, port: int) -> list[Child]:
    # OpenMP's idle threads spin by default, which starves whoever shares the cores.
    environment = {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        **os.environ,
        **settings.environment(),
        "TIDEWHEEL_HOME": str(home),
    }
    server = [sys.executable, "-m", "tidewheel.server", "--home", str(home), "--host", host, "--port", str(port)]
    controller = [sys.executable, "-m", "tidewheel.controller", "--home", str(home)]
    if project is not None:
        controller += ["--project", str(project)]
    return [Child("server", server, environment), Child("controller", controller, environment)]


def _worker_group(home: Path, settings: Settings, fixed: bool) -> tuple[WorkerGroup, list[str]]:
    """The workers, on the ports of the settings or, where one is taken, on free ones, and a sentence about it."""
    wanted, wanted_grpc = settings.get("serving.port", int), settings.get("serving.grpc_port", int)
    if fixed:
        return WorkerGroup(home, settings), _without_grpc(wanted_grpc)
    with contextlib.suppress(Conflict):
        return WorkerGroup(home, settings), _without_grpc(wanted_grpc)
    with contextlib.suppress(Conflict):
        group = WorkerGroup(home, settings, grpc_port=0)
        return group, [f"Port {wanted_grpc} is taken; gRPC uses {group.grpc_port} instead."]
    group = WorkerGroup(home, settings, port=0)
    return group, [
        f"Port {wanted} is taken; inference uses {group.port} instead.",
        *([f"gRPC uses {group.grpc_port} beside it."] if group.grpc_port > 0 else _without_grpc(wanted_grpc)),
    ]


def _without_grpc(wanted: int) -> list[str]:
    """A sentence where gRPC is wanted and cannot be served."""
    if wanted < 0 or find_spec("grpc") is not None:
        return []
    return ["gRPC is not served: grpcio is missing. Install tidewheel[grpc]."]


def _free_port(host: str, wanted: int, fixed: bool) -> tuple[int, list[str]]:
    """The wanted port, or a free one where it is taken, and a sentence about it."""
    for port in (wanted,) if fixed else (wanted, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError):
                continue
            found = int(probe.getsockname()[1])
            moved = (
                [] if found == wanted or wanted == 0 else [f"Port {wanted} is taken; the page uses {found} instead."]
            )
            return found, moved
    if fixed:
        raise Conflict(
            f"The control plane cannot answer at {host}:{wanted}: the port is taken.",
            where="server.port",
            fix="Stop what listens there, or give another --port.",
        )
    raise Unavailable(f"No port can be bound on {host}.", fix="Give an address of this machine as server.host.")


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "up.lock").open("a+")
    except OSError as error:
        raise Unavailable(f"The home {home} cannot be used: {error}.", fix="Give another --home.") from None
    with file as lock:
        if not _taken(lock):
            lock.seek(0)
            raise Conflict(
                f"The home {home} is already up (process {lock.read().strip() or 'unknown'}).",
                fix="Stop that one, or give another --home.",
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _taken(lock: IO[str]) -> bool:
    """Take the lock; tried again for a moment, since somebody may just be looking whether it is held."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _is_locked(home: Path) -> bool:
    try:
        with (home / "up.lock").open() as lock:  # shared, so that looking never keeps a supervisor from starting
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1.0) as response:  # noqa: S310  (an address that we made)
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
