"""The one file that the control side writes and the workers read: which versions answer for which endpoint.

`<home>/serving/snapshot.json` is replaced atomically and carries a rising generation; beside it lie the models'
folders and the workers' reports. Everything a worker needs is named here with its BLAKE3. Nothing in this file
imports another room.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

import msgspec

from tidewheel.base.errors import Corrupt
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.records import RoutingUnit


class SnapshotVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker must know to load a version; `plan_digest` is that of its feature plan, if it has features.

    `dtypes` are those of `inputs`, in order (none = all float64); `optional` names inputs that a request may leave out;
    `refused` says why no worker may load it, where it was tried here and failed. Where inputs or outputs are tensors
    and not columns, `input_shapes` and `output_shapes` have the shape of each, as in [-1, 3, 32, 32].
    """

    id: str
    model: str
    number: int
    format: str
    files: dict[str, str]
    trusted_by: str | None
    inputs: list[str]
    outputs: list[str]
    dtypes: list[str] = []
    optional: list[str] = []
    plan_digest: str | None = None
    sample_rows: int = 0
    refused: str = ""
    input_shapes: list[list[int]] = []
    output_shapes: list[list[int]] = []
    output_dtypes: list[str] = []

    @property
    def width(self) -> int:
        """How many numbers a row of all its inputs has."""
        return sum(prod(shape[1:]) for shape in self.input_shapes) or len(self.inputs)


class SnapshotEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint's requests are shared; `weights` in the order of the hash line.

    `standby` stays loaded without traffic: the champion before this one, so that going back to it takes no loading and
    it can still be asked by name.
    """

    name: str
    weights: list[tuple[str, float]]
    shadows: list[str]
    unit: RoutingUnit
    salt: str
    standby: list[str] = []
    options: EndpointOptions = EndpointOptions()


class Snapshot(msgspec.Struct, frozen=True):
    """Everything served at one generation."""

    generation: int
    endpoints: list[SnapshotEndpoint]
    versions: list[SnapshotVersion]


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself in `workers/<index>.json`; `state` is loading, ready or draining."""

    pid: int
    state: str
    generation: int
    failures: dict[str, str]
    started_at: str
    address: str


class ScalingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever supervises the workers says in `scaling.json`: how many shall run, of how many at most, and why."""

    workers: int
    most: int
    reason: str
    at: str


class ServingFolder:
    """The paths below `<home>/serving`."""

    def __init__(self, home: Path) -> None:
        self.root = home / "serving"
        self.snapshot = self.root / "snapshot.json"
        self.models = self.root / "models"
        self.plans = self.root / "plans"
        self.workers = self.root / "workers"
        self.counters = self.root / "counters"
        self.unloaded = self.root / "unloaded"
        self.scaling = self.root / "scaling.json"

    def model(self, version_id: str) -> Path:
        """The folder of a version: `files/`, and `sample.npy` to warm it up with."""
        return self.models / version_id

    def description(self, version_id: str) -> Path:
        """The file that says what lies in a version's folder; it is there when the rest is."""
        return self.model(version_id) / "version.json"

    def plan(self, digest: str) -> Path:
        """The file of a feature plan."""
        return self.plans / f"{digest}.plan"

    def report(self, index: int) -> Path:
        """The file in which a worker reports."""
        return self.workers / f"{index}.json"


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot at a path, or None if there is none yet.

    Raises:
        Corrupt: if the file is not a snapshot.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt(f"The snapshot cannot be read: {error}.", where=str(path), fix="Publish again.") from None


def read_report(path: Path) -> WorkerReport | None:
    """A worker's last report, or None if it has not made one that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerReport)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def read_scaling(path: Path) -> ScalingReport | None:
    """How many workers there shall be, or None where nobody has said so."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ScalingReport)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_atomically(path: Path, record: msgspec.Struct) -> None:
    """Replace a JSON file: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
