"""A worker process that answers gRPC, and a bare client that sends whatever bytes it is given."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from tests.serving.house import House

SERVICE = "inference.GRPCInferenceService"


@dataclass
class GrpcWorkerProcess:
    """One worker of a home; `address` is where it answers gRPC."""

    address: str
    process: subprocess.Popen[bytes]
    channels: list[grpc.Channel] = field(default_factory=list)

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
    """Start a worker of a home, and wait until its ports are open."""
    group = house.start(**settings)
    return GrpcWorkerProcess(f"{group.host}:{group.grpc_port}", group._processes[0])
