"""How one call of MLflow's REST protocol is read and answered, and the table of all calls.

    @call("POST", "/runs/set-tag", required=("run_id", "key"))
    def set_tag(platform: Platform, sent: SetTag) -> None: ...

registers a plain function under `/api/<version>/mlflow/runs/set-tag`. `sent` is a msgspec Struct whose fields have
MLflow's names and defaults; unknown fields are ignored, numbers may come as text, NaN and the infinities too, as in
protobuf's JSON. What it returns is encoded as it is: whole numbers stay numbers, as MLflow writes them, and `number()`
makes a float fit for JSON. The function runs in a thread, in the caller's name.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tidewheel.base.doors import Role
from tidewheel.server.mlflow.errors import invalid

if TYPE_CHECKING:
    from tidewheel.app import Platform

Function = TypeVar("Function", bound=Callable[..., Any])
_SEE_DOCS = "See the API docs for more information about request parameters."
_PATH_NAME = re.compile(r"{(\w+)(:path)?}")


class Empty(msgspec.Struct):
    """The request of a call that takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address and what stands behind it; `stream` ones are async and answer for themselves."""

    method: str
    path: str
    role: Role
    function: Callable[..., Any]
    request: type[msgspec.Struct]
    required: tuple[str, ...]
    decode: Callable[[bytes], Any]
    stream: bool


CALLS: dict[tuple[str, str], Endpoint] = {}  # (method, address) of those without a name in the path
PATTERNS: list[tuple[re.Pattern[str], Endpoint]] = []  # the others


def call(
    method: str,
    path: str,
    *,
    required: tuple[str, ...] = (),
    role: Role | None = None,
    versions: tuple[str, ...] = ("2.0",),
    root: str = "/mlflow",
) -> Callable[[Function], Function]:
    """Register a function for `path` below ``/api/<version>`` + `root`, and the same below ``/ajax-api``.

    Args:
        method: GET, POST, PATCH, PUT or DELETE.
        path: the address; ``{name}`` in it fills the field of that name, ``{name:path}`` with slashes.
        required: fields that must be there and not be empty, in the order in which they are asked for.
        role: the least role; by default viewer for GET and for searches, developer for the rest.
        versions: the versions of MLflow's protocol that have it.
        root: ``/mlflow-artifacts`` for the artifact proxy.
    """

    def register(function: Function) -> Function:
        hints = list(get_type_hints(function, _names_of(function)).values())
        request = hints[1] if len(hints) > 1 and isinstance(hints[1], type) else Empty
        request = request if issubclass(request, msgspec.Struct) else Empty
        decode = msgspec.json.Decoder(request, strict=False).decode
        _register(method, path, root, versions, role, function, request, required, decode, stream=False)
        return function

    return register


def stream(
    method: str, path: str, *, role: Role | None = None, root: str = "/mlflow-artifacts", version: str = "2.0"
) -> Callable[[Callable[[Platform, Request], Awaitable[Response]]], Callable[[Platform, Request], Awaitable[Response]]]:
    """Register an async function that reads the request's body, and answers, piece by piece. Its names in the path
    are in `request.path_params`; it is authorised before it is called, and acts in the caller's name.
    """

    def register(
        function: Callable[[Platform, Request], Awaitable[Response]],
    ) -> Callable[[Platform, Request], Awaitable[Response]]:
        _register(method, path, root, (version,), role, function, Empty, (), bytes, stream=True)
        return function

    return register


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """The endpoint at an address, and what its names in the path are."""
    endpoint = CALLS.get((method, path))
    if endpoint is not None:
        return endpoint, {}
    for pattern, candidate in PATTERNS:
        if candidate.method == method and (match := pattern.fullmatch(path)):
            return candidate, match.groupdict()
    return None


def is_known(path: str) -> bool:
    """Whether any method is answered at an address."""
    return any(known == path for _, known in CALLS) or any(pattern.fullmatch(path) for pattern, _ in PATTERNS)


def read_request(endpoint: Endpoint, in_path: Mapping[str, str], query: bytes, body: bytes) -> Any:
    """What a request says, as the endpoint's Struct.

    Raises:
        MLflowError: if something is missing or of another type, in MLflow's words.
    """
    if endpoint.method not in {"GET", "DELETE"} and not in_path:
        try:
            return _complete(endpoint, endpoint.decode(body or b"{}"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # read again, slowly, to accept bare NaN and null, or to say what is wrong
    fields = _fields(endpoint, query, body)
    fields.update(in_path)
    try:
        return _complete(endpoint, msgspec.convert(fields, endpoint.request, strict=False))
    except msgspec.ValidationError as error:
        _explain(endpoint, fields)
        raise invalid(f"{error}. {_SEE_DOCS}") from None


def number(value: float) -> float | str:
    """A float as MLflow's JSON writes it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def missing(name: str) -> Exception:
    """The error for a parameter that did not come."""
    return invalid(f"Missing value for required parameter '{name}'. {_SEE_DOCS}")


def wrong(name: str, value: object, hint: str = "") -> Exception:
    """The error for a parameter's value."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    hint = hint or f"Hint: Value was of type '{type(value).__name__}'."
    return invalid(f"Invalid value {shown[:1000]} for parameter '{name}' supplied:  {hint} {_SEE_DOCS}")


def _register(
    method: str,
    path: str,
    root: str,
    versions: tuple[str, ...],
    role: Role | None,
    function: Callable[..., Any],
    request: type[msgspec.Struct],
    required: tuple[str, ...],
    decode: Callable[[bytes], Any],
    *,
    stream: bool,
) -> None:
    reads = method == "GET" or path.rpartition("/")[2].startswith(("search", "get-"))
    endpoint = Endpoint(
        method=method,
        path=path,
        role=role or ("viewer" if reads else "developer"),
        function=function,
        request=request,
        required=required,
        decode=decode,
        stream=stream,
    )
    for version in versions:
        for prefix in (f"/api/{version}{root}", f"/ajax-api/{version}{root}"):
            address = f"{prefix}{path}"
            if "{" not in path:
                CALLS[(method, address)] = endpoint
            else:
                PATTERNS.append((_pattern(address), endpoint))


def _pattern(address: str) -> re.Pattern[str]:
    at, written = 0, ""
    for name in _PATH_NAME.finditer(address):
        written += re.escape(address[at : name.start()])
        written += f"(?P<{name[1]}>{'.*' if name[2] else '[^/]+'})"
        at = name.end()
    return re.compile(written + re.escape(address[at:]), re.DOTALL)


def _names_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The names that a function's hints may use; the platform's is only known to type checkers."""
    return {"Platform": object, **function.__globals__}


def _complete(endpoint: Endpoint, sent: Any) -> Any:
    if getattr(sent, "run_uuid", "") and not sent.run_id:  # its name before MLflow 1.0
        sent.run_id = sent.run_uuid
    for name in endpoint.required:
        if getattr(sent, name) in (None, "", []):
            raise missing(name)
    return sent


def _fields(endpoint: Endpoint, query: bytes, body: bytes) -> dict[str, Any]:
    if endpoint.method in {"GET", "DELETE"} and query:
        lists = _lists(endpoint.request)
        found = parse_qs(query.decode("ascii", "replace"), keep_blank_values=True)
        return {name: values if name in lists else values[0] for name, values in found.items()}
    try:
        sent = json.loads(body) if body else {}
        sent = json.loads(sent) if isinstance(sent, str) else sent  # old clients send JSON within JSON
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON. Send one JSON object.") from None
    if not isinstance(sent, dict):
        raise invalid("The body is not a JSON object.")
    return {name: value for name, value in sent.items() if value is not None}


@functools.cache
def _lists(request: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that a query may name more than once."""
    return frozenset(field.name for field in msgspec.structs.fields(request) if get_origin(field.type) is list)


def _explain(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Say which field is wrong, if one of the outermost is."""
    for field in msgspec.structs.fields(endpoint.request):
        value = fields.get(field.name)
        if value in (None, "") and field.name in endpoint.required:
            raise missing(field.name)
        if value is not None:
            try:
                msgspec.convert(value, field.type, strict=False)
            except msgspec.ValidationError as error:
                if "- at `$" not in str(error):
                    raise wrong(field.name, value) from None
