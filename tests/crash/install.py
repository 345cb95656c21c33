"""A real install for crash tests: `tidewheel up` as a process of its own, its children by name, and its clients.

The project is the one that `tidewheel init` writes; its orders are asked for, and labelled, by several lanes at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tidewheel.demo.http import Connections

LANES = 6
ENDPOINT = "delivery"
_MODULES = {
    "worker": "tidewheel.serving.worker",
    "server": "tidewheel.server",
    "controller": "tidewheel.controller",
    "runner": "tidewheel.pipelines.runner",
}


@dataclass(slots=True)
class Install:
    """`tidewheel up` on a home; `up` again after it was killed."""

    home: Path
    project: Path | None
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    addresses: dict[str, str] = field(default_factory=dict)

    def up(self, within_s: float = 60.0) -> None:
        """Start it and wait until it says where it answers."""
        command = [sys.executable, "-m", "tidewheel.cli", "up", *([str(self.project)] if self.project else [])]
        command += ["--home", str(self.home), "--port", str(self.port), "--json"]
        self.home.mkdir(parents=True, exist_ok=True)
        said = self.home.parent / f"{self.home.name}-up.log"
        with said.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        self.addresses = _first_json(self.process.stdout, within_s, said)

    def pid(self, kind: str) -> int:
        """The process id of one of its processes of a kind, the lowest."""
        return min(self.pids(kind))

    def pids(self, kind: str) -> list[int]:
        """Process ids of a kind, anywhere on this machine, that work on this home."""
        return sorted(pid for pid, found in processes_of(self.home).items() if found == kind)

    def kill(self, kind: str) -> int:
        """`kill -9` of one process of a kind; its id."""
        pid = self.pid(kind)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_supervisor(self) -> int:
        """`kill -9` of `tidewheel up` itself; its id."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        return self.process.pid

    def down(self) -> None:
        """Drain it, if it runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=30)


@contextmanager
def installed(home: Path, project: Path | None = None, port: int = 0) -> Iterator[Install]:
    """An install that is up; drained at the end."""
    install = Install(home, project, port)
    try:
        install.up()
        yield install
    finally:
        install.down()
        for pid in processes_of(home):
            os.kill(pid, signal.SIGKILL)


def processes_of(home: Path) -> dict[int, str]:
    """The kind of each process on this machine that was started for a home."""
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            except (OSError, UnicodeDecodeError):
                continue
            kind = next((kind for kind, module in _MODULES.items() if module in words), None)
            if alive and kind is not None and str(home) in words:
                found[int(folder.name)] = kind
    return found


@dataclass(slots=True)
class Orders:
    """Clients of the endpoint: each lane asks, and labels what was answered, one after the other, up to a number."""

    asked: int = 0
    wanted: int = 0
    settled: int = 0
    answered: dict[str, str] = field(default_factory=dict)  # prediction id -> number of the version
    labelled: set[str] = field(default_factory=set)
    connections: Connections | None = None
    _chance: random.Random = field(default_factory=lambda: random.Random(5))
    _lanes: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Requests without a 200 on these connections."""
        assert self.connections is not None
        return self.connections.tally.failed

    def start(self, url: str) -> None:
        """Ask at an address from now on."""
        self.connections = Connections(url, LANES)
        self._lanes = [asyncio.create_task(self._lane(self.connections)) for _ in range(LANES)]

    async def stop(self) -> None:
        """Ask no more; what is under way is waited for."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        assert self.connections is not None
        await self.connections.close()

    async def more(self, count: int, killing: Callable[[], int] | None = None, within_s: float = 60.0) -> int:
        """Ask and label `count` more; a third of the way, kill. Returns what `killing` returns."""
        begun, self.wanted, killed = self.settled, self.asked + count, 0
        if killing is not None:
            await until(lambda: self.settled >= begun + count // 3, within_s)
            killed = killing()
        await until(lambda: self.settled >= self.wanted, within_s)
        return killed

    async def _lane(self, connections: Connections) -> None:
        while True:
            if self.asked >= self.wanted:
                await asyncio.sleep(0.005)
                continue
            self.asked += 1
            number = f"order-{self.asked}"
            answer = await connections.post(f"/v2/models/{ENDPOINT}/infer", self._order(number))
            if answer is not None:
                self.answered[number] = json.loads(answer)["model_version"]
                label = {"labels": [{"id": number, "values": {"late": float(self._chance.random() < 0.3)}}]}
                if await connections.post("/api/v1/serving/labels", json.dumps(label).encode()) is not None:
                    self.labelled.add(number)
            self.settled += 1

    def _order(self, number: str) -> bytes:
        values = {"distance_km": 12 * self._chance.random(), "items": 3.0, "hour": 12.0}
        inputs = [{"name": "depot", "datatype": "BYTES", "shape": [1], "data": ["north"]}]
        inputs += [{"name": key, "datatype": "FP64", "shape": [1], "data": [value]} for key, value in values.items()]
        return json.dumps({"id": number, "inputs": inputs}).encode()


async def until(
    condition: Callable[[], object], within_s: float = 30.0, saying: Callable[[], str] = lambda: "it did not come true"
) -> None:
    """Wait for a condition; `saying` tells how things stand where it does not come true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{saying()} (after {within_s:.0f} s)"
        await asyncio.sleep(0.02)


def _first_json(stream: IO[bytes], within_s: float, said: Path) -> dict[str, str]:
    """The first JSON object of a stream, however many lines it takes."""
    deadline, text = time.monotonic() + within_s, b""
    os.set_blocking(stream.fileno(), False)
    while time.monotonic() < deadline:
        text += stream.read() or b""
        try:
            found: dict[str, str] = json.loads(text)
            return found
        except ValueError:
            time.sleep(0.02)
    raise AssertionError(f"no addresses within {within_s:.0f} s; it said: {said.read_text()}")
