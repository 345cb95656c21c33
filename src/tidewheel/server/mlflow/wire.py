"""The door for MLflow's clients: plain ASGI in front of the application, so that a call costs microseconds to route.

`app.build` joins it in. It answers what lies below ``/api/<version>/mlflow`` and its kin, and passes all else on.
"""

from __future__ import annotations

import functools
import math
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tidewheel.base.errors import TidewheelError
from tidewheel.server import mlflow
from tidewheel.server.guard import Caller, admit
from tidewheel.server.mlflow.errors import MLflowError, invalid, refusal
from tidewheel.server.mlflow.protocol import Endpoint, find, is_known, read_request
from tidewheel.server.mlflow.unsupported import unsupported
from tidewheel.server.threads import Threads
from tidewheel.storage.journal import acting

if TYPE_CHECKING:
    from tidewheel.app import Platform

_ROOTS = ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/3.0/mlflow")
_GRAPHQL = "/graphql"
_SPANS = "/v1/traces"
_UNASKED_BYTES = 256 * 1024
_BARE = {_GRAPHQL, _SPANS, "/get-artifact", "/model-versions/get-artifact"}


class MLflowWire:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, platform: Platform) -> None:
        self._app = app
        self._platform = platform
        self._threads = Threads()
        for module in iter_modules(mlflow.__path__):
            import_module(f"{mlflow.__name__}.{module.name}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("//"):  # joined to an address that ends with a slash
            scope = {**scope, "path": "/" + scope["path"].lstrip("/")}
        if scope["type"] != "http" or not is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        found = find(scope["method"], scope["path"])
        if found is None:
            await _answer(send, *refusal(_not_found(scope["method"], scope["path"])))
        elif found[0].stream:
            await self._stream(*found, request, send)
        else:
            await self._call(*found, request, send)

    async def _call(self, endpoint: Endpoint, in_path: dict[str, str], request: Request, send: Send) -> None:
        try:
            caller = None
            if _announced_bytes(request) > _UNASKED_BYTES:  # a stranger makes the server hold no more than that
                caller = await self._threads.run(functools.partial(admit, request, endpoint.role))
            body = await request.body()
        except TidewheelError as error:
            await _answer(send, *refusal(error))
            return
        except ClientDisconnect:
            return
        work = functools.partial(self._work, endpoint, in_path, request, caller, body)
        await _answer(send, *await self._threads.run(work))

    def _work(
        self, endpoint: Endpoint, in_path: dict[str, str], request: Request, caller: Caller | None, body: bytes
    ) -> tuple[int, bytes]:
        try:
            caller = caller or admit(request, endpoint.role)
            if body or endpoint.method in {"POST", "PUT"}:
                _check_content_type(request)
            sent = read_request(endpoint, in_path, request.scope["query_string"], body)
            with acting(actor=caller.name, role=caller.role):
                result = endpoint.function(self._platform, sent)
        except TidewheelError as error:
            return refusal(error)
        return 200, msgspec.json.encode({} if result is None else result)

    async def _stream(self, endpoint: Endpoint, in_path: dict[str, str], request: Request, send: Send) -> None:
        try:
            caller = await run_in_threadpool(admit, request, endpoint.role)
            request.scope["path_params"] = in_path
            with acting(actor=caller.name, role=caller.role):
                response = await endpoint.function(self._platform, request)
                await response(request.scope, request.receive, send)
        except TidewheelError as error:
            await _answer(send, *refusal(error))


def is_ours(path: str) -> bool:
    """Whether a path is one that MLflow's clients ask for, so that even a refusal speaks as MLflow does."""
    return path.startswith(_ROOTS) or path in _BARE


def _not_found(method: str, path: str) -> MLflowError:
    below = path.partition("/mlflow")[2]
    left_out = unsupported("traces" if path == _SPANS else below)
    if left_out is not None:
        return left_out
    if path == _GRAPHQL:
        return MLflowError("NOT_IMPLEMENTED", "Tidewheel does not have MLflow's GraphQL; use its REST API.")
    if is_known(path):
        return MLflowError("BAD_REQUEST", f"{path[:200]} does not answer {method}.")
    return MLflowError("ENDPOINT_NOT_FOUND", f"There is nothing of MLflow's at {method} {path[:200]}.")


def _announced_bytes(request: Request) -> float:
    """How long the body says it is; without end for one that comes in chunks."""
    if "transfer-encoding" in request.headers:
        return math.inf
    announced = request.headers.get("content-length", "0")
    return int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 20 else math.inf


def _check_content_type(request: Request) -> None:
    sent = request.headers.get("content-type")
    if sent is None:
        raise invalid("Bad Request. Content-Type header is missing.")
    if sent.partition(";")[0].strip() != "application/json":
        raise invalid("Bad Request. Content-Type must be one of ['application/json'].")


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer, Basic realm="tidewheel"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
