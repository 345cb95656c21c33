"""Puts files where workers find them, and then the snapshot that names them. Idempotent, and safe between processes.

A version is prepared in a folder of its own under a temporary name and renamed when whole and tried: it has loaded and
answered in a process that may die of it. So its description, `version.json`, also says that it need not be tried again.
A version that is routed already and fails here, on another machine, say, goes into the snapshot as refused, so that it
holds back its own endpoints and no others. What is no longer wanted goes (`prune`). Called by `Serving` only; workers
never write here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from sqlalchemy import Connection

from tidewheel.base.errors import Corrupt, InvalidInput, NotFound, TidewheelError
from tidewheel.base.hashing import hash_file
from tidewheel.registry import ModelVersion, Registry
from tidewheel.registry.explain.loading import background_rows
from tidewheel.registry.load import check_files
from tidewheel.serving import store
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.prune import mark_wanted, prune
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
from tidewheel.serving.worker.warm_up import warm_up_rows
from tidewheel.storage import Blobs, Metadata

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_SAMPLE_ROWS = 8
_MEND_EVERY_S = 2.0
_PRUNE_EVERY_S = 60.0
_RETRY_REFUSED_S = 30.0
_ROUTES_LOOKED_BACK = 20


class PlanRecord(Protocol):
    """Names the blob that holds a feature plan, and what features are looked up by (`features.FeatureSetRecord`)."""

    @property
    def plan_digest(self) -> str: ...
    @property
    def entities(self) -> Sequence[str]: ...
    @property
    def request(self) -> Mapping[str, str]: ...


class Plans(Protocol):
    """Where feature plans come from (`features.Features`)."""

    def record(self, feature_set_hash: str, /) -> PlanRecord:
        """What is known of the feature set of a hash."""


class Publisher:
    """Writes `<home>/serving`."""

    def __init__(
        self,
        metadata: Metadata,
        registry: Registry,
        features: Plans,
        blobs: Blobs,
        folder: ServingFolder,
        keep_models_s: float,
    ) -> None:
        """`keep_models_s` is how long what no snapshot names stays; 0 = for ever."""
        self._metadata = metadata
        self._registry = registry
        self._features = features
        self._blobs = blobs
        self._folder = folder
        self._keep_models_s = keep_models_s
        self._pruned_at = -_PRUNE_EVERY_S
        self._mended_at = 0.0
        self._retry_at = 0.0

    def publish(self) -> int:
        """Write the snapshot of the present routes and options unless it is there; mend what workers could not load."""
        self._mend()
        with self._metadata.read() as connection:
            generation = store.last_generation(connection)
        published = self._published()
        if generation and (published is None or published.generation != generation or self._may_retry(published)):
            generation = self._write()
        self._prune()
        return generation

    def prepare(self, version: ModelVersion) -> SnapshotVersion:
        """Put a version's files, feature plan and warm-up sample in place, checked; what is there already is kept.

        Raises:
            Corrupt: if the version does not load and answer, or ends the process that it is tried in.
            NotAllowed: if it executes code and nobody vouched for it.
        """
        mark_wanted(self._folder, version.id)
        try:
            return self._described(version.id) or self._fetch(version)
        except _RefusedError as refused:
            raise refused.error from None

    def _write(self) -> int:
        while True:
            with self._metadata.read() as connection:
                generation = store.last_generation(connection)
                routes = store.current_routes(connection)
                options = store.all_options(connection)
                standby = {route.endpoint: _standby(connection, route) for route in routes}
            endpoints = [
                _endpoint(route, standby[route.endpoint], options.get(route.endpoint, (EndpointOptions(), 0))[0])
                for route in routes
            ]
            ids = {each for route in routes for each in (*route.weights, *route.shadows, *standby[route.endpoint])}
            versions = [self._present(each) for each in sorted(ids)]
            with self._alone():
                if self._stands(generation) and self._keep(versions):  # else there is a newer one, or not all is there
                    write_atomically(self._folder.snapshot, Snapshot(generation, endpoints, versions))
                    self._retry_at = time.monotonic() + _RETRY_REFUSED_S
                    return generation

    def _keep(self, versions: Sequence[SnapshotVersion]) -> bool:
        """Mark what a snapshot is going to name as wanted, and what the one before it named; whether all is there."""
        before = self._published()
        for version in before.versions if before is not None else ():
            mark_wanted(self._folder, version.id)
        return all(mark_wanted(self._folder, version.id) for version in versions if not version.refused)

    def _prune(self) -> None:
        """Once in a while, remove what is no longer wanted."""
        now = time.monotonic()
        if self._keep_models_s and now - self._pruned_at >= _PRUNE_EVERY_S:
            self._pruned_at = now
            try:
                with self._alone():
                    prune(self._folder, self._keep_models_s)
            except OSError:  # files that stay longer are no reason to keep a route back
                traceback.print_exc(file=sys.stderr)

    def _present(self, version_id: str) -> SnapshotVersion:
        try:
            return self._described(version_id) or self._fetch(self._registry.version(version_id))
        except _RefusedError as refused:
            return msgspec.structs.replace(refused.described, refused=str(refused.error))

    def _stands(self, generation: int) -> bool:
        with self._metadata.read() as connection:
            return store.last_generation(connection) == generation

    def _published(self) -> Snapshot | None:
        try:
            return read_snapshot(self._folder.snapshot)
        except Corrupt:
            return None

    def _may_retry(self, published: Snapshot) -> bool:
        """Whether a version was refused, and it is time to see if what was missing here has come."""
        return time.monotonic() >= self._retry_at and any(version.refused for version in published.versions)

    def _described(self, version_id: str) -> SnapshotVersion | None:
        try:
            data = self._folder.description(version_id).read_bytes()
            return msgspec.json.decode(data, type=SnapshotVersion)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _fetch(self, version: ModelVersion, *, anew: bool = False) -> SnapshotVersion:
        target = self._folder.model(version.id)
        partial = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
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
            sample_rows=self._keep_sample(version, partial),
            input_shapes=[list(shape) for shape in version.signature.input_shapes],
            output_shapes=[list(shape) for shape in version.signature.output_shapes],
            output_dtypes=[dtype for _, dtype in version.signature.outputs],
        )
        try:
            self._registry.try_out(version, partial / "files", warm_up_rows(partial / "sample.npy", described))
        except TidewheelError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise _RefusedError(described, _named(version, error)) from error
        write_atomically(partial / "version.json", described)
        with self._alone():
            if anew or self._described(version.id) is None:  # else another was faster, and workers may be reading
                shutil.rmtree(target, ignore_errors=True)
                partial.rename(target)
        shutil.rmtree(partial, ignore_errors=True)
        return described

    def _keep_plan(self, feature_set_hash: str) -> str:
        digest = self._features.record(feature_set_hash).plan_digest
        self._blobs.fetch(digest, self._folder.plan(digest))
        return digest

    def _keep_sample(self, version: ModelVersion, folder: Path) -> int:
        """Keep rows of the version's reference or sample: some to explain it against, and a few to try it and warm it
        up with. Returns how many those few are; 0 where it has neither."""
        rows = self._rows(version, self._registry.reference)
        if rows is None:
            rows = self._rows(version, self._registry.sample)
        if rows is None:
            return 0
        np.save(folder / "background.npy", rows)
        np.save(folder / "sample.npy", rows[:_SAMPLE_ROWS])
        return min(len(rows), _SAMPLE_ROWS)

    def _rows(self, version: ModelVersion, table_of: Callable[[str], pa.Table]) -> NDArray[np.float64] | None:
        """Rows of a table of the version, if they are numbers for each of its inputs."""
        tensors = version.signature.input_tensors
        try:
            table = table_of(version.id)
            if tensors:
                from tidewheel.registry.tensor_tables import rows_of_table

                return rows_of_table(table.slice(0, _SAMPLE_ROWS), tensors) if table.num_rows else None
            rows = background_rows(table, version.signature.input_names)
        except (NotFound, InvalidInput):
            return None
        return rows if rows.size else None

    def _mend(self) -> None:
        """Fetch again what the snapshot names and a worker cannot load, if its files are not the registered ones.

        They are not there at all where a process was killed while it put others in their place.
        """
        if time.monotonic() - self._mended_at < _MEND_EVERY_S:
            return
        self._mended_at = time.monotonic()
        published, failures = self._published(), reported_failures(self._folder)
        for version in published.versions if published is not None else ():
            if version.id not in failures or version.refused:
                continue
            described = self._described(version.id)
            if described is None or not self._is_whole(described):
                # Whatever is in the way, other endpoints must not wait for it; the worker's report goes on saying why.
                with contextlib.suppress(_RefusedError, TidewheelError):
                    self._fetch(self._registry.version(version.id), anew=True)

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


class _RefusedError(Exception):
    """A version that did not load and answer where it was tried; `error` says why."""

    def __init__(self, described: SnapshotVersion, error: TidewheelError) -> None:
        super().__init__(str(error))
        self.described = described
        self.error = error


def _named(version: ModelVersion, error: TidewheelError) -> TidewheelError:
    """The error with the version's name in it, and without the place that it was tried in, which is gone."""
    said = f"Version {version.number} of {version.model!r} was tried and cannot be served. {error.message}"
    return type(error)(said, fix=error.fix)


def _standby(connection: Connection, route: Route) -> list[str]:
    """The champion before the present one, if no traffic or shadow names it."""
    in_use = {*route.weights, *route.shadows}
    for earlier in store.route_history(connection, route.endpoint, _ROUTES_LOOKED_BACK):
        if earlier.champion and earlier.champion not in in_use:
            return [earlier.champion]
    return []


def _endpoint(route: Route, standby: list[str], options: EndpointOptions) -> SnapshotEndpoint:
    return SnapshotEndpoint(
        name=route.endpoint,
        weights=list(route.weights.items()),
        shadows=list(route.shadows),
        unit=route.unit,
        salt=route.salt,
        standby=standby,
        options=options,
    )
