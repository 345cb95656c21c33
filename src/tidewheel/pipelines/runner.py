"""The runner: a process that has imported a project once and forks itself for each pipeline run and each step.

Importing what training code needs takes seconds (LightGBM alone brings pandas, scikit-learn and SciPy); forking takes
15 ms. Forking is safe here because the runner only ever imports: it opens no platform, computes nothing and has no
thread of Python's, so no lock is held and no pool is running when a child begins. It is what `multiprocessing` calls a
fork server, with children that outlive a request and are accounted for.

    owner (controller, CLI) ── "run R" ──> runner ── fork ──> driver of R ── "step S" ──> runner ── fork ──> S

`python -m tidewheel.pipelines.runner --home H --opener M:F --project P [RUN_ID]`. Whoever hangs up takes what it asked
for with it: a driver its steps, the owner everything; what was under way is resumed later by another.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidewheel.base.errors import TidewheelError
from tidewheel.base.parent import exit_with_parent
from tidewheel.pipelines.channel import Channel
from tidewheel.pipelines.project import imported_names, load_project

_PRELOADED = (
    "numpy",
    "pyarrow",
    "pyarrow.parquet",
    "pyarrow.compute",
    "pyarrow.dataset",
    "deltalake",
    "lmdb",
)


@dataclass(slots=True)
class _Child:
    id: str
    owner: Channel | None
    began: float


class Runner:
    """Forks for its channels and tells them what became of it."""

    def __init__(self, home: Path, opener: str) -> None:
        self._home = home
        self._opener = opener
        self._channels: list[Channel] = []
        self._children: dict[int, _Child] = {}
        self._wake_reader, self._wake_writer = os.pipe()

    def preload(self, project: Path) -> None:
        """Import what drivers and steps will need. What fails here fails again, and is reported, where it is needed."""
        self._import(self._opener.partition(":")[0])
        for name in _PRELOADED:
            self._import(name)
        with contextlib.suppress(TidewheelError):
            load_project(project)
        for name in sorted(imported_names(project)):
            self._import(name)

    def serve(self, owner: Channel | None, run_id: str | None) -> int:
        """Work until the owner hangs up; for a single run, until it has ended. Returns the exit code."""
        self._listen_to_signals()
        if owner is not None:
            self._channels.append(owner)
        if run_id is not None:
            self._fork_driver(run_id, owner)
        while True:
            sources: list[int | Channel] = [self._wake_reader, *self._channels]
            readable, _, _ = select.select(sources, [], [])
            if self._wake_reader in readable:
                os.read(self._wake_reader, 4096)
            ended = self._reap()
            if run_id in ended:
                return ended[run_id]
            for channel in [channel for channel in self._channels if channel in readable]:
                if not self._hear(channel) and channel is owner:
                    self._end_all()
                    return 0

    def _hear(self, channel: Channel) -> bool:
        messages = channel.receive()
        if messages is None:
            self._channels.remove(channel)
            channel.close()
            self._kill([pid for pid, child in self._children.items() if child.owner is channel])
            return False
        for message in messages:
            if message["do"] == "run":
                self._fork_driver(message["id"], channel)
            elif message["do"] == "step":
                self._fork_step(message["id"], channel)
            elif message["do"] == "stop":
                self._kill([pid for pid, child in self._children.items() if child.id == message["id"]])
        return True

    def _fork_driver(self, run_id: str, owner: Channel | None) -> None:
        from tidewheel.pipelines.process import drive

        ours, theirs = socket.socketpair()
        self._channels.append(Channel(ours))
        self._fork(run_id, owner, lambda: drive(self._home, self._opener, run_id, Channel(theirs)))
        theirs.close()

    def _fork_step(self, step_run_id: str, owner: Channel) -> None:
        from tidewheel.pipelines.process import run_step

        self._fork(step_run_id, owner, lambda: run_step(self._home, self._opener, step_run_id))

    def _fork(self, id_: str, owner: Channel | None, work: Callable[[], int]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(self._be_child(work))
        self._children[pid] = _Child(id_, owner, time.monotonic())

    def _be_child(self, work: Callable[[], int]) -> int:
        try:
            os.setsid()  # so that a step is ended with all that it started
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            exit_with_parent()
            for channel in self._channels:
                channel.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)
            _reseed()
            code = work()
        except BaseException:  # nothing may fall through into the runner's own code
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def _reap(self) -> dict[str, int]:
        """Collect children that are gone, tell their owners, and say which ended how."""
        ended: dict[str, int] = {}
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            child = self._children.pop(pid, None)
            if child is None:
                continue
            code = ended[child.id] = os.waitstatus_to_exitcode(status)
            _kill_group(pid)  # what a step left running
            if child.owner in self._channels:
                spent = {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": time.monotonic() - child.began}
                with contextlib.suppress(TidewheelError):
                    child.owner.send(exit=child.id, code=code, **spent)
        return ended

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            _kill_group(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _end_all(self) -> None:
        self._kill(list(self._children))
        for pid in list(self._children):
            os.waitpid(pid, 0)

    def _listen_to_signals(self) -> None:
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in a terminal is for the owner, who then hangs up
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, *_signal: object) -> None:
        self._kill(list(self._children))
        os._exit(0)

    def _import(self, name: str) -> None:
        try:
            importlib.import_module(name)
        except Exception as error:  # a module may raise anything
            sys.stderr.write(f"runner: {name} is not preloaded: {type(error).__name__}: {error}\n")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _reseed() -> None:
    """NumPy's global generator is copied by a fork; without this all steps would draw the same numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(os.urandom(4)))


def main() -> int:
    """Parse the arguments, import, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tidewheel.pipelines.runner", description="Runs pipelines.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument(
        "--opener", required=True, help="function that opens the platform, as in tidewheel.app:open_platform"
    )
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--channel", type=int, help="descriptor of the owner's socket")
    parser.add_argument("run_id", nargs="?")
    given = parser.parse_args()
    # OpenMP's threads otherwise spin where they wait; beside busy processes (inference workers on the same cores) that
    # made a LightGBM training of 0.3 s take 12 to 36 s. It must be set before anything loads OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Python 3.12 warns of any fork beside threads; ours are idle ones of numeric libraries, which re-create them.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    runner = Runner(given.home, given.opener)
    runner.preload(given.project)
    owner = Channel(socket.socket(fileno=given.channel)) if given.channel is not None else None
    return runner.serve(owner, given.run_id)


if __name__ == "__main__":
    sys.exit(main())
