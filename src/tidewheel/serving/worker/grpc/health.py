"""gRPC's own health protocol, which Kubernetes' probes and load balancers ask; it answers without a token.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md. A worker that drains is NOT_SERVING, and ends watches,
which would keep it from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving.worker.grpc.codec import parse
from tidewheel.serving.worker.grpc.messages import (
    HEALTH_SERVICE,
    INFERENCE_SERVICE,
    HealthCheckRequest,
    HealthCheckResponse,
)
from tidewheel.serving.worker.grpc.status import refuse

_LOOK_EVERY_S = 0.1
_KNOWN = ("", INFERENCE_SERVICE)


class Health:
    """Answers for the worker, which is "", and for its inference service; they share their fate."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self.draining = False

    def handler(self) -> Any:
        """What grpcio calls for the service's methods."""
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(HEALTH_SERVICE, methods)

    async def _check(self, data: bytes, context: Any) -> bytes:
        service = await _service_in(data, context)
        if service not in _KNOWN:
            await refuse(context, NotFound(f"There is no service {service[:100]!r}.", fix="Ask for the service ''."))
        return self._status(service)

    async def _watch(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        service = await _service_in(data, context)
        told = b""
        while True:
            status = self._status(service)
            if status != told:
                told = status
                yield status
            if self.draining:
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _status(self, service: str) -> bytes:
        if service not in _KNOWN:
            status = HealthCheckResponse.SERVICE_UNKNOWN
        elif self._ready() and not self.draining:
            status = HealthCheckResponse.SERVING
        else:
            status = HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=status).SerializeToString()  # type: ignore[no-any-return]


async def _service_in(data: bytes, context: Any) -> str:
    try:
        return parse(HealthCheckRequest, data).service  # type: ignore[no-any-return]
    except InvalidInput as error:
        await refuse(context, error)
