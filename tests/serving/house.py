"""A home with a real registry and real worker processes, and a client that speaks HTTP over a bare socket."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidewheel.base.clock import SystemClock
from tidewheel.base.settings import Settings
from tidewheel.data import Data, dataset
from tidewheel.features import Features, FeatureSet, FeatureView, last, on_demand
from tidewheel.registry import ModelVersion, Registry, Signature
from tidewheel.registry.formats import open_format
from tidewheel.serving import Serving, WorkerGroup
from tidewheel.storage import KeyValue, Metadata, open_backend, schema, sqlite_url
from tidewheel.storage.backends.local_blobs import LocalBlobs
from tidewheel.storage.predictions import Label, Prediction, PredictionLog


def zone_features() -> FeatureSet:
    """`demand`, the newest known of the zone, and the `drivers` that a request tells."""
    rides = dataset("rides")
    view = FeatureView("zone_demand", entity="zone", source=rides, timestamp="at", features={"demand": last("demand")})
    return FeatureSet("zones", [view, on_demand("supply", inputs=[view], request={"drivers": float}, compute=None)])


@dataclass
class House:
    """One home: its rooms, and workers when started."""

    home: Path
    metadata: Metadata
    registry: Registry
    serving: Serving
    log: PredictionLog
    features: Features
    online: KeyValue
    groups: list[WorkerGroup] = field(default_factory=list)

    def register(self, model: object, inputs: Sequence[str] = ("a", "b"), **more: Any) -> ModelVersion:
        folder = self.home / "scratch" / os.urandom(4).hex()
        folder.mkdir(parents=True)
        open_format("python").save(model, folder)
        given = {"signature": Signature.of(list(inputs), ["p"]), "trust": True, **more}
        return self.registry.register("surge", format="python", folder=folder, **given)

    def register_zones(self, model: object) -> ModelVersion:
        """A version on the zones' features."""
        feature_set = zone_features()
        self.features.apply(feature_set)
        return self.register(model, inputs=feature_set.names, feature_set=(feature_set.name, feature_set.hash))

    def deploy(self, model: object, **more: Any) -> ModelVersion:
        version = self.register(model, **more)
        self.serving.create_endpoint("surge")
        self.serving.set_route("surge", {version.id: 100.0})
        return version

    def deploy_as(self, name: str, model: object, **options: Any) -> ModelVersion:
        """A version of a model `name` behind an endpoint of that name, with options of its own."""
        folder = self.home / "scratch" / name
        folder.mkdir(parents=True)
        open_format("python").save(model, folder)
        signature = Signature.of(["a", "b"], ["p"])
        version = self.registry.register(name, format="python", folder=folder, signature=signature, trust=True)
        self.serving.create_endpoint(name)
        if options:
            self.serving.configure_endpoint(name, **options)
        self.serving.set_route(name, {version.id: 100.0})
        return version

    def start(self, workers: int = 1, **settings: Any) -> WorkerGroup:
        values = {f"serving.{name}": value for name, value in settings.items()}
        group = WorkerGroup(self.home, Settings(values), port=0, workers=workers)
        self.groups.append(group)
        group.start()
        until(group.ready, look=group.look)
        return group

    def applied(self) -> None:
        generation = self.serving.publish()
        until(lambda: self.serving.applied(generation))

    def records(self) -> tuple[list[Prediction], list[Label]]:
        batch = self.log.read(limit=10_000_000)
        return batch.predictions, batch.labels

    def close(self) -> None:
        for group in self.groups:
            group.stop()
        self.metadata.close()

    def said(self) -> str:
        return "".join(path.read_text() for path in sorted((self.home / "logs").glob("*.log")))


def open_house(home: Path) -> House:
    """A home in an empty folder."""
    clock = SystemClock()
    metadata = Metadata(sqlite_url(home / "metadata.db"), clock)
    schema.create_all(metadata.engine)
    log = PredictionLog(home / "predictions", metadata, open_backend("tables", f"file://{home}/tables"))
    blobs = LocalBlobs(home / "blobs")
    tables = open_backend("tables", f"file://{home}/tables")
    online = open_backend("online", f"lmdb://{home}/online")
    registry = Registry(metadata, blobs, clock)
    features = Features(metadata, Data(metadata, tables, blobs, clock), online, blobs, clock)
    serving = Serving(metadata, registry, features, blobs, log, clock, Settings(), home)
    return House(home, metadata, registry, serving, log, features, online)


def until(done: Callable[[], object], seconds: float = 60.0, look: Callable[[], object] = lambda: None) -> None:
    """Wait for a condition; fail if it has not come true by the deadline."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not in {seconds} s"
        look()
        time.sleep(0.01)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A keep-alive HTTP/1.1 client that sends exactly the bytes it is given."""

    def __init__(self, group: WorkerGroup) -> None:
        self.socket = socket.create_connection((group.host, group.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is on its way, not gathered
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        self._send_request(method, path, body, headers)
        return self.answer(with_body=method != "HEAD")

    def _send_request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: t", f"Content-Length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    def infer(self, *rows: Sequence[float | None], path: str = "surge", **extra: Any) -> Answer:
        self.send_infer(*rows, path=path, **extra)
        return self.answer()

    def send_infer(self, *rows: Sequence[float | None], path: str = "surge", **extra: Any) -> None:
        """Ask without waiting for the answer."""
        headers = {key: extra.pop(key) for key in list(extra) if key.startswith("x_")}
        flat = [value for row in rows for value in row]
        tensor = {"name": "features", "datatype": "FP64", "shape": [len(rows), len(rows[0])], "data": flat}
        self._send_request("POST", f"/v2/models/{path}/infer", {"inputs": [tensor], **extra}, headers)

    def answer(self, with_body: bool = True) -> Answer:
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0)) if with_body else 0
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return Answer(int(first.split()[1]), headers, body)

    def closed(self) -> bool:
        """Whether the server has closed the connection, with nothing more to read."""
        return not self._rest and self.socket.recv(1) == b""

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self._rest += data


def value_of(answer: Answer) -> float:
    """The lone output of an answer."""
    assert answer.status == 200, answer.body
    return answer.json["outputs"][0]["data"][0]
