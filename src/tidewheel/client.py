"""The same verbs over HTTP: `connect(url)` gives an object with the rooms of `app.Platform`, whose verbs call a server.

Nothing is written twice: address, parameters and result of every call are read from the verb's `@door` and type hints.
Verbs without a door exist only in-process and say so. Errors arrive as the very classes that the server raised.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, get_type_hints
from urllib.parse import quote

import httpx
import msgspec

from tidewheel.base import ambient, errors
from tidewheel.base.doors import Door
from tidewheel.base.errors import InvalidInput, TidewheelError, Unavailable
from tidewheel.base.hashing import hash_bytes
from tidewheel.base.settings import Settings, home_folder
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
CONNECT_TIMEOUT_S = 5.0
_HOME_OPENER = "tidewheel.app:open_platform"  # beside this one, so named and not imported
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

    def __init__(self, http: Connection) -> None:
        self._http = http
        self.url = http.url
        self.home = None  # it has one, on another machine
        self._token = ambient.enter_lookup(self._room_of)

    def __getattr__(self, name: str) -> Any:
        if name not in ROOMS:
            raise AttributeError(name)
        module, _, room = ROOMS[name].partition(":")
        made = RemoteTracking if name == "tracking" else RemoteRoom
        remote = made(getattr(import_module(module), room), self._http)
        setattr(self, name, remote)
        return remote

    def close(self) -> None:
        """Deliver what the SDK took for this platform, and close the connections."""
        if "tracking" in vars(self):
            from tidewheel.tracking.sdk import close_sdk

            close_sdk(self.tracking)
        ambient.leave(self._token)
        self._http.close()

    def _room_of(self, kind: type) -> Any:
        """The room that stands in for a class, for code that asks for the platform that is open."""
        place = kind.__module__.split(".")[1]
        for name, address in ROOMS.items():
            if address == f"tidewheel.{place}:{kind.__name__}":
                return getattr(self, name)
        return None

    def __enter__(self) -> RemotePlatform:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteRoom:
    """One room behind HTTP: each verb with a door is a call."""

    def __init__(self, room: type, http: Connection) -> None:
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


class RemoteTracking(RemoteRoom):
    """Tracking behind HTTP: artifacts are streams, which no door of JSON carries, and the SDK needs a spool."""

    def __init__(self, room: type, http: Connection) -> None:
        from tidewheel.tracking.sdk import spool_folder

        super().__init__(room, http)
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidewheel" / "spool"
        named = hash_bytes(http.url.encode())[:16]
        self.spool_folder = spool_folder(Settings(), cache / named, http.url)
        self.named_by = shlex.join(["--url", http.url])
        self.clock = None

    def log_artifact(self, run_id: str, source: Path | bytes, path: str | None = None) -> None:
        """Keep a file, a folder's files, or bytes with a run; files are sent in pieces, however long."""
        if isinstance(source, bytes):
            if path is None:
                raise InvalidInput("Bytes have no name of their own.", fix="Pass path=…")
            self._put(run_id, path, source)
            return
        root = path or source.resolve().name
        for file in [source] if source.is_file() else sorted(item for item in source.rglob("*") if item.is_file()):
            name = root if file == source else f"{root}/{file.relative_to(source).as_posix()}"
            with file.open("rb") as content:
                self._put(run_id, name, content)

    def fetch_artifact(self, run_id: str, path: str, target: Path) -> Path:
        """Write an artifact to `target`."""
        part = target.with_name(f"{target.name}.part")
        with self._http.stream("GET", self._address(run_id, path)) as answer, part.open("wb") as file:
            if not answer.is_success:
                answer.read()
                raise _error(answer, self._http.url)
            for piece in answer.iter_bytes():
                file.write(piece)
        return part.replace(target)

    def _put(self, run_id: str, path: str, content: bytes | BinaryIO) -> None:
        _send(self._http, "PUT", self._address(run_id, path), params=None, content=content)

    def _address(self, run_id: str, path: str) -> str:
        uri: str = self.run(run_id).artifact_uri
        scheme, _, root = uri.partition(":")
        if scheme != "mlflow-artifacts":
            raise InvalidInput(f"The artifacts of the run {run_id} are kept elsewhere, at {uri}.")
        return f"/api/2.0/mlflow-artifacts/artifacts/{quote(root.strip('/') + '/' + path)}"


class Connection:
    """The connections to one server; a forked child makes its own, since two processes cannot share one."""

    def __init__(self, url: str, headers: dict[str, str], timeout_s: float) -> None:
        self.url = url
        self._headers = headers
        self._timeout_s = timeout_s
        self._open()

    def _open(self) -> None:
        timeout = httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, CONNECT_TIMEOUT_S))
        self._client = httpx.Client(base_url=self.url, headers=self._headers, timeout=timeout)
        self._process = os.getpid()

    @property
    def client(self) -> httpx.Client:
        """This process's."""
        if self._process != os.getpid():
            self._open()
        return self._client

    def request(self, verb: str, path: str, **given: Any) -> httpx.Response:
        """One request and its whole answer."""
        return self.client.request(verb, path, **given)

    def stream(self, verb: str, path: str) -> AbstractContextManager[httpx.Response]:
        """One request, whose answer is read in pieces."""
        return self.client.stream(verb, path)

    def close(self) -> None:
        """Close them."""
        self._client.close()


def connect(url: str, token: str | None = None, *, timeout_s: float = 30.0) -> RemotePlatform:
    """The platform whose control plane answers at `url`; it is the one that `tw.start_run` and handles now mean.

    Args:
        url: its address, as in ``http://127.0.0.1:7600``.
        token: a token of `tidewheel tokens create`, where the server asks for one.
        timeout_s: how long one call may take.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{url!r} is not an HTTP address.", fix="As in http://127.0.0.1:7600.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return RemotePlatform(Connection(url.rstrip("/"), headers, timeout_s))


def open_as_environment_says() -> None:
    """Open what `TIDEWHEEL_URL` (with `TIDEWHEEL_TOKEN`), else `TIDEWHEEL_HOME`, else an install in ./.tidewheel means.

    Nothing is opened where nothing is meant.
    """
    url = os.environ.get("TIDEWHEEL_URL")
    if url:
        connect(url, os.environ.get("TIDEWHEEL_TOKEN"))
    elif os.environ.get("TIDEWHEEL_HOME") or (home_folder() / "metadata.db").exists():
        module, _, opener = _HOME_OPENER.partition(":")
        getattr(import_module(module), opener)()


def _call(http: Connection, method: Callable[..., Any], note: Door, *args: Any, **kwargs: Any) -> Any:
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


def _send(http: Connection, verb: str, path: str, *, params: Any, content: bytes | BinaryIO | None) -> httpx.Response:
    plain = content is None or verb == "PUT"
    headers = {} if plain else {"Content-Type": "application/json"}
    try:
        answer = http.request(verb, path, params=params, content=content, headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable(
            f"The control plane did not answer: {error or type(error).__name__}.",
            where=http.url,
            fix="Is it running? `tidewheel up` or `tidewheel server` starts it.",
        ) from None
    if answer.is_success:
        return answer
    raise _error(answer, http.url)


def _error(answer: httpx.Response, where: str) -> TidewheelError:
    """The error that the server raised, as the same class here."""
    try:
        body = msgspec.json.decode(answer.content)
        if "error_code" in body:  # artifacts go through MLflow's proxy, which answers in MLflow's words
            kinds = (kind for kind in _ERRORS.values() if kind.status == answer.status_code)
            return next(kinds, TidewheelError)(body["message"])
        told = body["error"]
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
