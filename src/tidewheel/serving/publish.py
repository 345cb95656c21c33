"""Puts files where workers find them, and then the snapshot that names them. Idempotent, and safe between processes.

A version is prepared in a folder of its own under a temporary name and renamed when whole, with `version.json` as its
description. Called by `Serving` only; workers never write here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from sqlalchemy import Connection

from tidewheel.base.errors import Corrupt, NotFound
from tidewheel.base.hashing import hash_file
from tidewheel.registry import ModelVersion, Registry
from tidewheel.registry.load import check_files
from tidewheel.serving import store
from tidewheel.serving.records import Route
from tidewheel.serving.snapshot import (
    ServingFolder,
    Snapshot,
    SnapshotEndpoint,
    SnapshotVersion,
    read_snapshot,
    write_atomically,
)
from tidewheel.serving.watching import reported_failures
from tidewheel.storage import Blobs, Metadata

_SAMPLE_ROWS = 8
_MEND_EVERY_S = 2.0
_ROUTES_LOOKED_BACK = 20


class PlanRecord(Protocol):
    """Names the blob that holds a feature plan (`features.FeatureSetRecord`)."""

    @property
    def plan_digest(self) -> str: ...


class Plans(Protocol):
    """Where feature plans come from (`features.Features`)."""

    def record(self, feature_set_hash: str, /) -> PlanRecord:
        """What is known of the feature set of a hash."""


class Publisher:
    """Writes `<home>/serving`."""

    def __init__(
        self, metadata: Metadata, registry: Registry, features: Plans, blobs: Blobs, folder: ServingFolder
    ) -> None:
        self._metadata = metadata
        self._registry = registry
        self._features = features
        self._blobs = blobs
        self._folder = folder
        self._mended_at = 0.0

    def publish(self) -> int:
        """Write the snapshot of the present routes unless it is there, and mend what workers could not load."""
        self._mend()
        with self._metadata.read() as connection:
            generation = store.last_generation(connection)
        if generation and self._published_generation() != generation:
            with self._alone():
                return self._write()
        return generation

    def prepare(self, version: ModelVersion) -> SnapshotVersion:
        """Put a version's files, feature plan and warm-up sample in place, checked; what is there already is kept."""
        described = self._described(version.id)
        if described is not None:
            return described
        with self._alone():
            return self._described(version.id) or self._fetch(version)

    def _write(self) -> int:
        with self._metadata.read() as connection:
            routes = store.current_routes(connection)
            standby = {route.endpoint: _standby(connection, route) for route in routes}
        generation = max((route.generation for route in routes), default=0)
        published = self._published_generation()
        if published == generation:
            return published  # another process was here first
        endpoints = [_endpoint(route, standby[route.endpoint]) for route in routes]
        ids = sorted({each for route in routes for each in (*route.weights, *route.shadows, *standby[route.endpoint])})
        versions = [self._described(each) or self._fetch(self._registry.version(each)) for each in ids]
        write_atomically(self._folder.snapshot, Snapshot(generation, endpoints, versions))
        return generation

    def _published_generation(self) -> int | None:
        try:
            snapshot = read_snapshot(self._folder.snapshot)
        except Corrupt:
            return None
        return snapshot.generation if snapshot else None

    def _described(self, version_id: str) -> SnapshotVersion | None:
        try:
            data = (self._folder.model(version_id) / "version.json").read_bytes()
            return msgspec.json.decode(data, type=SnapshotVersion)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _fetch(self, version: ModelVersion) -> SnapshotVersion:
        target = self._folder.model(version.id)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        self._registry.fetch(version.id, partial / "files")
        described = SnapshotVersion(
            id=version.id,
            model=version.model,
            number=version.number,
            format=version.format,
            files=version.files,
            trusted_by=version.trusted_by,
            inputs=list(version.signature.input_names),
            outputs=list(version.signature.output_names),
            dtypes=[dtype for _, dtype in version.signature.inputs],
            optional=list(version.signature.optional),
            plan_digest=self._keep_plan(version.feature_set_hash) if version.feature_set_hash else None,
            sample_rows=self._keep_sample(version, partial / "sample.npy"),
        )
        write_atomically(partial / "version.json", described)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        return described

    def _keep_plan(self, feature_set_hash: str) -> str:
        digest = self._features.record(feature_set_hash).plan_digest
        self._blobs.fetch(digest, self._folder.plan(digest))
        return digest

    def _keep_sample(self, version: ModelVersion, path: Path) -> int:
        """A few rows of the version's reference, to warm it up with; 0 where it has none."""
        try:
            reference = self._registry.reference(version.id)
        except NotFound:
            return 0
        names = version.signature.input_names
        if not reference.num_rows or not set(names) <= set(reference.column_names):
            return 0
        head = reference.slice(0, _SAMPLE_ROWS)
        columns = [head[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
        rows = np.column_stack(columns)
        np.save(path, rows)
        return len(rows)

    def _mend(self) -> None:
        """Fetch again what a live worker says it cannot load, if its files are indeed not the registered ones."""
        if time.monotonic() - self._mended_at < _MEND_EVERY_S:
            return
        self._mended_at = time.monotonic()
        for version_id in reported_failures(self._folder):
            described = self._described(version_id)
            if described is not None and not self._is_whole(described):
                with self._alone():
                    self._fetch(self._registry.version(version_id))

    def _is_whole(self, described: SnapshotVersion) -> bool:
        try:
            check_files(self._folder.model(described.id) / "files", described.files)
        except Corrupt:
            return False
        plan = described.plan_digest and self._folder.plan(described.plan_digest)
        return not plan or (plan.is_file() and hash_file(plan) == described.plan_digest)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time writes here."""
        self._folder.root.mkdir(parents=True, exist_ok=True)
        with (self._folder.root / "publish.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _standby(connection: Connection, route: Route) -> list[str]:
    """The champion before the present one, if no traffic or shadow names it."""
    in_use = {*route.weights, *route.shadows}
    for earlier in store.route_history(connection, route.endpoint, _ROUTES_LOOKED_BACK):
        if earlier.champion and earlier.champion not in in_use:
            return [earlier.champion]
    return []


def _endpoint(route: Route, standby: list[str]) -> SnapshotEndpoint:
    return SnapshotEndpoint(
        name=route.endpoint,
        weights=list(route.weights.items()),
        shadows=list(route.shadows),
        unit=route.unit,
        salt=route.salt,
        standby=standby,
    )
