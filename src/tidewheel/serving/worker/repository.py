"""Load and unload of endpoints on request: the Open Inference Protocol's model repository extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md. Which endpoints
are unloaded is a file each in `<home>/serving/unloaded`, so all workers of the home follow within a moment and a
worker that starts again remembers. Called by `repository_rest` and gRPC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidewheel.base.errors import NotAllowed, NotFound, TidewheelError
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.runtime import LoadedVersion

Done = Callable[[TidewheelError | None], None]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One version of an endpoint in the index; `state` is READY or UNAVAILABLE, `reason` says why not READY."""

    name: str
    version: str
    state: str
    reason: str


class Repository:
    """The endpoints of a worker, as a model repository."""

    def __init__(self, inference: Inference, folder: Path, allowed: bool) -> None:
        self._inference = inference
        self._folder = folder
        self._allowed = allowed
        self._seen = -1
        self.look()

    def look(self) -> None:
        """Follow what other workers were told; called a few times a second."""
        try:
            mark = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            mark = 0
        if mark != self._seen:
            self._seen = mark
            names = frozenset(path.name for path in self._folder.iterdir()) if mark else frozenset()
            self._inference.residency.unloaded = names

    def index(self, ready_only: bool = False) -> list[IndexEntry]:
        """Every version of every endpoint, with its state."""
        found = []
        for endpoint in self._inference.table.endpoints.values():
            for version in endpoint.numbered.values():
                reason = "unloaded" if endpoint.name in self._inference.residency.unloaded else ""
                state = "UNAVAILABLE" if reason else "READY"
                if not (ready_only and reason):
                    found.append(IndexEntry(endpoint.name, version.number, state, reason))
        return found

    def load(self, name: str, done: Done) -> None:
        """Answer for an endpoint again; `done` is called when its versions are in this worker's memory.

        Raises:
            NotFound: if there is no such endpoint.
            NotAllowed: if the setting `serving.repository_control` is off.
        """
        endpoint = self._endpoint(name)
        (self._folder / name).unlink(missing_ok=True)
        self.look()
        _Waking(self._inference, endpoint, done).start()

    def unload(self, name: str) -> None:
        """Send an endpoint's models out of memory and refuse its requests until it is loaded again.

        Raises:
            NotFound: if there is no such endpoint.
            NotAllowed: if the setting `serving.repository_control` is off.
        """
        self._endpoint(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).touch()
        self.look()
        self._inference.residency.sweep()

    def _endpoint(self, name: str) -> LoadedEndpoint:
        if not self._allowed:
            raise NotAllowed("Endpoints are not loaded or unloaded here.", fix="Set serving.repository_control.")
        found = self._inference.table.endpoints.get(name)
        if found is None:
            raise NotFound(f"There is no endpoint {name[:100]!r}.", fix="`tidewheel endpoints ls` lists what there is.")
        return found


class _Waking:
    """Brings the routed versions of an endpoint into memory, and tells the first thing that went wrong."""

    def __init__(self, inference: Inference, endpoint: LoadedEndpoint, done: Done) -> None:
        self._inference = inference
        self._versions: list[LoadedVersion] = [endpoint.versions[version] for _, version in endpoint.line]
        self._left = len(self._versions)
        self._error: TidewheelError | None = None
        self._done = done

    def start(self) -> None:
        if not self._versions:
            self._done(None)
        for version in self._versions:
            self._inference.residency.wake(version, self._woken)

    def _woken(self, error: TidewheelError | None) -> None:
        self._error = self._error or error
        self._left -= 1
        if not self._left:
            self._done(self._error)
