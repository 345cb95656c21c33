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
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

from tidewheel.base.errors import Conflict, Unavailable
from tidewheel.base.settings import Settings

_STEADY_S = 10.0  # a child that lived this long has its restart pause forgiven
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an install answers, and which supervisor keeps it up."""

    home: str
    control_plane: str
    inference: str
    pid: int


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
    restarts: int = field(default=0)

    def start(self, log: Path) -> None:
        """Start the process, its output appended to its log file."""
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(self.command), env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.started = time.monotonic()

    def look(self, log: Path) -> int | None:
        """Start the process again if it has died; return its exit code in that case."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.restarts += 1
                self.start(log)
            return None
        code = self.process.poll()
        if code is None:
            return None
        self.deaths = 1 if now - self.started > _STEADY_S else self.deaths + 1
        self.start_at = now + min(0.1 * 2 ** (self.deaths - 1), _LONGEST_PAUSE_S)
        self.process = None
        return code


class Supervisor:
    """Keeps the children of one home running. `run` blocks until told to stop; `start` and `stop` are its halves."""

    def __init__(self, home: Path, project: Path | None, settings: Settings) -> None:
        self.home = home
        self._settings = settings
        self.addresses, self.moved_ports = _choose_ports(home, settings)
        self._children = _children(home, project, settings, self.addresses)
        self._lock = contextlib.ExitStack()
        self._stopping = False

    @property
    def children(self) -> dict[str, int]:
        """The process ids of the children that run now, by name."""
        return {child.name: child.process.pid for child in self._children if child.process is not None}

    def start(self) -> None:
        """Take the home's lock and start every child.

        Raises:
            Conflict: if another supervisor has this home.
        """
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self._lock.enter_context(_locked(self.home))
        (self.home / "up.json").write_text(json.dumps(asdict(self.addresses)))
        for child in self._children:
            child.start(self._log(child))

    def wait_until_ready(self, within_s: float = 60.0) -> None:
        """Wait until workers and control plane answer, restarting what dies meanwhile.

        Raises:
            Unavailable: if one does not answer in time.
        """
        deadline = time.monotonic() + within_s
        for address in (f"{self.addresses.inference}/v2/health/live", f"{self.addresses.control_plane}/health/live"):
            while not _answers(address):
                self.look()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{address} did not answer within {within_s:.0f} s.",
                        fix=f"See the logs in {self.home / 'logs'}.",
                    )
                time.sleep(0.02)

    def look(self) -> list[str]:
        """Restart whatever has died; return a sentence for each death."""
        said = []
        for child in self._children:
            code = child.look(self._log(child))
            if code is not None:
                said.append(f"{child.name} ended ({_how(code)}); starting it again. See {self._log(child)}")
        return said

    def run(self) -> None:
        """Keep the children running until SIGINT or SIGTERM, then drain them."""
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        while not self._stopping:
            for sentence in self.look():
                print(sentence, file=sys.stderr, flush=True)
            time.sleep(0.1)
        self.stop()

    def stop(self) -> None:
        """Ask the children to drain, workers first; kill one that does not end in time. Give the lock back."""
        deadline = time.monotonic() + self._settings.get("serving.drain_timeout_s", float) + 5
        for child in reversed(self._children):
            if child.process is not None:
                child.process.terminate()
        for child in self._children:
            if child.process is not None:
                try:
                    child.process.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()
                child.process = None
        (self.home / "up.json").unlink(missing_ok=True)
        self._lock.close()

    def _ask_to_stop(self, *_signal: object) -> None:
        self._stopping = True

    def _log(self, child: Child) -> Path:
        return self.home / "logs" / f"{child.name}.log"


def addresses_of(home: Path) -> Addresses | None:
    """Where the install of a home answers now, or None when none is up."""
    try:
        found = Addresses(**json.loads((home / "up.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if _is_locked(home) else None


def _children(home: Path, project: Path | None, settings: Settings, addresses: Addresses) -> list[Child]:
    environment = {**os.environ, **settings.environment(), "TIDEWHEEL_HOME": str(home), "OMP_NUM_THREADS": "1"}
    python = sys.executable
    host, port = addresses.control_plane.removeprefix("http://").rsplit(":", 1)
    inference_host, inference_port = addresses.inference.removeprefix("http://").rsplit(":", 1)
    controller = [python, "-m", "tidewheel.controller", "--home", str(home)]
    if project is not None:
        controller += ["--project", str(project)]
    worker = [python, "-m", "tidewheel.serving.worker", "--home", str(home)]
    worker += ["--host", inference_host, "--port", inference_port]
    workers = [
        Child(
            f"worker-{index}",
            [*worker, "--index", str(index)],
            environment,
        )
        for index in range(settings.get("serving.workers", int))
    ]
    server = [python, "-m", "tidewheel.server", "--home", str(home), "--host", host, "--port", port]
    return [*workers, Child("server", server, environment), Child("controller", controller, environment)]


def _choose_ports(home: Path, settings: Settings) -> tuple[Addresses, list[str]]:
    """The addresses to bind: the settings' ports, or free ones where those are taken, and a sentence for each move."""
    moved, urls = [], []
    for part in ("server", "serving"):
        host, wanted = settings.get(f"{part}.host", str), settings.get(f"{part}.port", int)
        port = _free_port(host, wanted)
        if port != wanted and wanted != 0:
            moved.append(f"Port {wanted} is taken; using {port} instead.")
        urls.append(f"http://{host}:{port}")
    return Addresses(str(home), urls[0], urls[1], os.getpid()), moved


def _free_port(host: str, wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable(f"No port can be bound on {host}.", fix="Give an address of this machine as server.host.")


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Conflict(
                f"The home {home} is already up (process {lock.read().strip() or 'unknown'}).",
                fix="Stop that one, or give another --home.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_locked(home: Path) -> bool:
    try:
        with (home / "up.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
