"""A worker process that answers gRPC, and a bare client that sends whatever bytes it is given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from tests.serving.house import House, until

from tidewheel.base.parent import as_parent
from tidewheel.base.settings import Settings

SERVICE = "inference.GRPCInferenceService"


@dataclass
class GrpcWorkerProcess:
    """One worker of a home; `address` is where it answers gRPC."""

    house: House
    process: subprocess.Popen[bytes]
    channels: list[grpc.Channel] = field(default_factory=list)

    @property
    def address(self) -> str:
        return "127.0.0.1:" + (self.house.home / "grpc-port").read_text()

    def method(self, name: str, service: str = SERVICE) -> Callable[..., bytes]:
        """A method that takes and gives bytes."""
        return self.channel().unary_unary(f"/{service}/{name}")

    def channel(self) -> grpc.Channel:
        self.channels.append(grpc.insecure_channel(self.address))
        return self.channels[-1]

    def ask_to_end(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        self.process.terminate()
        assert self.process.wait(20) == 0


def start_grpc_worker(house: House, **settings: Any) -> GrpcWorkerProcess:
    """Start a worker of a home, and wait until its port is open."""
    given = Settings({f"serving.{name}": value for name, value in {"grpc_port": 0, **settings}.items()})
    (house.home / "logs").mkdir(exist_ok=True)
    with (house.home / "logs" / "grpc.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.serving.grpc_worker", str(house.home)],
            env={**os.environ, **given.environment(), **as_parent()},
            stdout=output,
            stderr=output,
        )
    until(lambda: (house.home / "grpc-port").exists() or process.poll() is not None)
    assert process.poll() is None, house.said()
    return GrpcWorkerProcess(house, process)
