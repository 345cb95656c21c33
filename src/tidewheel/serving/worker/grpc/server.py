"""The gRPC port of a worker: opened beside the HTTP port, shared with the sibling workers, drained with the rest.

grpcio is the extra `grpc`; without it the worker serves HTTP alone. This file may be imported all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings

if TYPE_CHECKING:
    from tidewheel.serving.worker.grpc.health import Health
    from tidewheel.serving.worker.grpc.service import InferenceService
    from tidewheel.serving.worker.intake import Intake
    from tidewheel.serving.worker.predict import Inference
    from tidewheel.serving.worker.repository import Repository

_MAX_STREAMS = 1024  # calls at once on one connection
_MAX_CALLS = 4096  # and on all of them


class GrpcServer:
    """An open port. Made by `open_grpc`."""

    def __init__(self, server: Any, port: int, service: InferenceService, health: Health) -> None:
        self._server = server
        self.port = port
        self._service = service
        self._health = health

    @property
    def in_flight(self) -> int:
        """Inference requests that have no answer yet."""
        return self._service.in_flight

    async def drain(self, within_s: float) -> None:
        """Take no new call, answer what is under way for at most `within_s`, then close the port."""
        self._health.draining = True
        await self._server.stop(within_s)


async def open_grpc(
    host: str,
    settings: Settings,
    inference: Inference,
    repository: Repository,
    ready: Callable[[], bool],
    intake: Intake,
) -> GrpcServer | None:
    """Answer gRPC on `serving.grpc_port` of a host, from the running loop; None where the setting or grpcio says no.

    Raises:
        Conflict: if the port cannot be bound.
    """
    port = settings.get("serving.grpc_port", int)
    if port < 0:
        return None
    if find_spec("grpc") is None:
        print("gRPC is not served: grpcio is missing. Install tidewheel[grpc].", file=sys.stderr, flush=True)
        return None
    import grpc

    from tidewheel.serving.worker.grpc.guard import TokenGuard
    from tidewheel.serving.worker.grpc.health import Health
    from tidewheel.serving.worker.grpc.service import InferenceService

    service = InferenceService(inference, repository, TokenGuard(settings), ready, intake)
    health = Health(ready)
    server = grpc.aio.server(options=_options(settings), maximum_concurrent_rpcs=_MAX_CALLS)
    server.add_generic_rpc_handlers((service.handler(), health.handler()))
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise Conflict(f"{address} cannot be bound for gRPC: {error}.", fix="Set serving.grpc_port.") from None
    await server.start()
    return GrpcServer(server, bound, service, health)


def _options(settings: Settings) -> list[tuple[str, int]]:
    """grpcio's channel arguments: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html"""
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", settings.get("serving.max_body_bytes", int)),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", _MAX_STREAMS),
        ("grpc.max_connection_idle_ms", round(settings.get("serving.idle_timeout_s", float) * 1000)),
    ]
