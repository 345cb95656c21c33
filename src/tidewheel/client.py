"""The same verbs over HTTP: `connect(url)` gives an object with the rooms of `app.Platform`, whose verbs call a server.

Nothing is written twice: address, parameters and result of every call are read from the verb's `@door` and type hints.
Verbs without a door exist only in-process and say so. Errors arrive as the very classes that the server raised.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, get_type_hints
from urllib.parse import quote

import httpx
import msgspec

from tidewheel.base import errors
from tidewheel.base.doors import Door
from tidewheel.base.errors import InvalidInput, TidewheelError, Unavailable
from tidewheel.base.wire import from_json, to_json

if TYPE_CHECKING:
    from tidewheel.costs import Costs
    from tidewheel.data import Data
    from tidewheel.delivery import Delivery
    from tidewheel.features import Features
    from tidewheel.governance import Governance
    from tidewheel.loop import Loops
    from tidewheel.monitoring import Monitoring
    from tidewheel.pipelines import Pipelines
    from tidewheel.registry import Registry, Webhooks
    from tidewheel.rollout import Rollouts
    from tidewheel.serving import Serving
    from tidewheel.tracking import Artifacts, Experiments, LoggedModels, Tracking, Views

ROOMS: dict[str, str] = {
    "data": "tidewheel.data:Data",
    "features": "tidewheel.features:Features",
    "experiments": "tidewheel.tracking:Experiments",
    "tracking": "tidewheel.tracking:Tracking",
    "artifacts": "tidewheel.tracking:Artifacts",
    "logged_models": "tidewheel.tracking:LoggedModels",
    "views": "tidewheel.tracking:Views",
    "registry": "tidewheel.registry:Registry",
    "webhooks": "tidewheel.registry:Webhooks",
    "pipelines": "tidewheel.pipelines:Pipelines",
    "serving": "tidewheel.serving:Serving",
    "rollout": "tidewheel.rollout:Rollouts",
    "monitoring": "tidewheel.monitoring:Monitoring",
    "governance": "tidewheel.governance:Governance",
    "costs": "tidewheel.costs:Costs",
    "delivery": "tidewheel.delivery:Delivery",
    "loop": "tidewheel.loop:Loops",
}
_PATH_NAME = re.compile(r"{(\w+)(?::(\w+))?}")
_ERRORS = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TidewheelError)
}


class RemotePlatform:
    """A platform behind an address. Its rooms are typed as the local ones, so that code for one runs on both."""

    data: Data
    features: Features
    experiments: Experiments
    tracking: Tracking
    artifacts: Artifacts
    logged_models: LoggedModels
    views: Views
    registry: Registry
    webhooks: Webhooks
    pipelines: Pipelines
    serving: Serving
    rollout: Rollouts
    monitoring: Monitoring
    governance: Governance
    costs: Costs
    delivery: Delivery
    loop: Loops

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def __getattr__(self, name: str) -> Any:
        if name not in ROOMS:
            raise AttributeError(name)
        module, _, room = ROOMS[name].partition(":")
        remote = RemoteRoom(getattr(import_module(module), room), self._http)
        setattr(self, name, remote)
        return remote

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> RemotePlatform:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteRoom:
    """One room behind HTTP: each verb with a door is a call."""

    def __init__(self, room: type, http: httpx.Client) -> None:
        self._room = room
        self._http = http

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._room, name, None)
        note = getattr(method, "__door__", None)
        if method is None or name.startswith("_"):
            raise AttributeError(f"{self._room.__name__} has no verb {name!r}")
        if not isinstance(note, Door):
            raise InvalidInput(
                f"{self._room.__name__}.{name} has no HTTP door.", fix="Open the platform at its home folder for it."
            )
        call = functools.partial(_call, self._http, method, note)
        setattr(self, name, call)
        return call


def connect(url: str, token: str | None = None, *, timeout_s: float = 30.0) -> RemotePlatform:
    """The platform whose control plane answers at `url`.

    Args:
        url: its address, as in ``http://127.0.0.1:7600``.
        token: a token of `tidewheel tokens create`, where the server asks for one.
        timeout_s: how long one call may take.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{url!r} is not an HTTP address.", fix="As in http://127.0.0.1:7600.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return RemotePlatform(httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s))


def _call(http: httpx.Client, method: Callable[..., Any], note: Door, *args: Any, **kwargs: Any) -> Any:
    """Send one verb's arguments through its door and give back what it returned there."""
    bound = inspect.signature(method).bind(None, *args, **kwargs)
    given = dict(list(bound.arguments.items())[1:])
    path = _PATH_NAME.sub(lambda match: _in_path(given.pop(match[1]), match[2]), note.path)
    reading = note.method in {"GET", "DELETE"}
    answer = _send(
        http,
        note.method,
        f"/api/v1{path}",
        params={name: _in_query(value) for name, value in given.items() if value is not None} if reading else None,
        content=None if reading else to_json(given),
    )
    if answer.status_code == 204:
        return None
    returns = get_type_hints(method).get("return", Any)
    return from_json(answer.content, returns)


def _send(http: httpx.Client, verb: str, path: str, *, params: Any, content: bytes | None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} if content is not None else {}
    try:
        answer = http.request(verb, path, params=params, content=content, headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable(
            f"The control plane did not answer: {error or type(error).__name__}.",
            where=str(http.base_url),
            fix="Is it running? `tidewheel up` or `tidewheel server` starts it.",
        ) from None
    if answer.is_success:
        return answer
    raise _error(answer, str(http.base_url))


def _error(answer: httpx.Response, where: str) -> TidewheelError:
    """The error that the server raised, as the same class here."""
    try:
        told = msgspec.json.decode(answer.content)["error"]
        kind = _ERRORS.get(told["code"], TidewheelError)
        return kind(told["message"], fix=told["fix"], where=told["where"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return Unavailable(
            f"What answered ({answer.status_code}) is not a Tidewheel control plane.", where=where, fix="Check the URL."
        )


def _in_path(value: object, kind: str | None) -> str:
    return quote(str(value), safe="/:@" if kind == "path" else ":@")


def _in_query(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return [_in_query(item) for item in value]
    return str(value)
