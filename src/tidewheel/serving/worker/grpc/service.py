"""The methods of `inference.GRPCInferenceService`. Each takes a request's bytes and gives a response's.

Bytes, so that what is no message is refused like any other wrong input, and not as a failure of the server. What the
protocol's clients may call besides and is not offered (shared memory, tracing and log settings) is answered
UNIMPLEMENTED, with what to do instead.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from tidewheel.base.errors import Corrupt, TidewheelError
from tidewheel.serving.worker.grpc import messages
from tidewheel.serving.worker.grpc.calls import GrpcCall
from tidewheel.serving.worker.grpc.codec import parse, read_request
from tidewheel.serving.worker.grpc.guard import TokenGuard
from tidewheel.serving.worker.grpc.information import (
    describe_configuration,
    describe_model,
    describe_server,
    describe_statistics,
    is_ready,
)
from tidewheel.serving.worker.grpc.status import details_of, refuse
from tidewheel.serving.worker.intake import Intake
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.repository import Repository
from tidewheel.serving.worker.triton_extensions import LOG_SETTINGS, SHARED_MEMORY, TRACE_SETTINGS

_Unary = Callable[[bytes, Any], Any]
"""An `async` method: the request's bytes and grpcio's context, to a response message or its bytes."""


_UNOFFERED: dict[str, str] = {
    **{
        f"{kind}SharedMemory{verb}": SHARED_MEMORY
        for kind in ("System", "Cuda")
        for verb in ("Status", "Register", "Unregister")
    },
    "TraceSetting": TRACE_SETTINGS,
    "LogSettings": LOG_SETTINGS,
}


class InferenceService:
    """Answers the service's methods from one worker's table. `ready` says whether the worker is."""

    def __init__(
        self,
        inference: Inference,
        repository: Repository,
        guard: TokenGuard,
        ready: Callable[[], bool],
        intake: Intake,
    ) -> None:
        self._inference = inference
        self._repository = repository
        self._guard = guard
        self._ready = ready
        self._intake = intake
        self.in_flight = 0
        """Inference requests that have no answer yet."""

    def handler(self) -> Any:
        """What grpcio calls for the service's methods."""
        unary = {
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        methods = {name: self._guarded(method) for name, method in unary.items()}
        methods |= {name: _unoffered(why) for name, why in _UNOFFERED.items()}
        methods["ServerLive"] = grpc.unary_unary_rpc_method_handler(self._live)
        methods["ServerReady"] = grpc.unary_unary_rpc_method_handler(self._server_ready)
        methods["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._infer_stream)
        return grpc.method_handlers_generic_handler(messages.INFERENCE_SERVICE, methods)

    def _guarded(self, method: _Unary) -> Any:
        """A method that is answered to holders of the token, and whose errors become a status."""

        async def call(data: bytes, context: Any) -> bytes:
            try:
                self._guard.check(context)
                response = await method(data, context)
                return response if isinstance(response, bytes) else response.SerializeToString()
            except TidewheelError as error:
                await refuse(context, error)
            except Exception:
                await refuse(context, _own_failure())

        return grpc.unary_unary_rpc_method_handler(call)

    async def _live(self, _data: bytes, _context: Any) -> bytes:
        return messages.ServerLiveResponse(live=True).SerializeToString()  # type: ignore[no-any-return]

    async def _server_ready(self, _data: bytes, _context: Any) -> bytes:
        return messages.ServerReadyResponse(ready=self._ready()).SerializeToString()  # type: ignore[no-any-return]

    async def _model_ready(self, data: bytes, _context: Any) -> Any:
        asked = parse(messages.ModelReadyRequest, data)
        return messages.ModelReadyResponse(ready=is_ready(self._inference, asked.name, asked.version))

    async def _server_metadata(self, _data: bytes, _context: Any) -> Any:
        return describe_server()

    async def _model_metadata(self, data: bytes, _context: Any) -> Any:
        asked = parse(messages.ModelMetadataRequest, data)
        return describe_model(self._inference, asked.name, asked.version)

    async def _model_config(self, data: bytes, _context: Any) -> Any:
        asked = parse(messages.ModelConfigRequest, data)
        return describe_configuration(self._inference, asked.name, asked.version)

    async def _model_statistics(self, data: bytes, _context: Any) -> Any:
        asked = parse(messages.ModelStatisticsRequest, data)
        return describe_statistics(self._inference, asked.name, asked.version)

    async def _infer(self, data: bytes, context: Any) -> bytes:
        self._intake.take(len(data))
        self.in_flight += 1
        try:
            call = GrpcCall(read_request(data), metadata_of(context), context.time_remaining())
            call.body_bytes = len(data)
            self._inference.submit(call)
            return await call.answered
        finally:
            self.in_flight -= 1
            self._intake.held_bytes -= len(data)

    async def _infer_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        try:
            self._guard.check(context)
        except TidewheelError as error:
            await refuse(context, error)
        async for data in requests:
            response = messages.ModelStreamInferResponse()
            try:
                response.infer_response.ParseFromString(await self._infer(data, context))
            except Exception as error:
                said = error if isinstance(error, TidewheelError) else _own_failure()
                response.error_message = details_of(said)
                response.infer_response.id = _id_in(data)
            yield response.SerializeToString()

    async def _index(self, data: bytes, _context: Any) -> Any:
        wanted = parse(messages.RepositoryIndexRequest, data)
        response = messages.RepositoryIndexResponse()
        for entry in self._repository.index(wanted.ready):
            response.models.add(name=entry.name, version=entry.version, state=entry.state, reason=entry.reason)
        return response

    async def _load(self, data: bytes, _context: Any) -> Any:
        loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: TidewheelError | None) -> None:
            if loaded.done():  # the client has left
                return
            if error is None:
                loaded.set_result(None)
            else:
                loaded.set_exception(error)

        self._repository.load(parse(messages.RepositoryModelLoadRequest, data).model_name, done)
        await loaded
        return messages.RepositoryModelLoadResponse()

    async def _unload(self, data: bytes, _context: Any) -> Any:
        self._repository.unload(parse(messages.RepositoryModelUnloadRequest, data).model_name)
        return messages.RepositoryModelUnloadResponse()


def _unoffered(why: str) -> Any:
    """A method that says why it is not there."""

    async def call(_data: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, why)
        return b""  # not reached: `abort` has raised

    return grpc.unary_unary_rpc_method_handler(call)


def metadata_of(context: Any) -> dict[str, str]:
    """The metadata of a call that are text; of a name given twice, the last."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _own_failure() -> Corrupt:
    """What a client is told of an exception that is being handled and is not its own; the log gets the rest."""
    traceback.print_exc(file=sys.stderr)
    return Corrupt("The server failed; its log says how.")


def _id_in(data: bytes) -> str:
    """The id of a request that was refused, if it can be read, so that the client knows which."""
    try:
        return parse(messages.ModelInferRequest, data).id  # type: ignore[no-any-return]
    except TidewheelError:
        return ""
