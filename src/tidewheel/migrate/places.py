"""Finds where artifacts lie now: on this disk, as the store says or moved, or behind MLflow's client.

A store names its artifacts' folders by the paths of the day on which they were made. A folder that was moved is found
by the end of its path (experiment, run) below the places where such a store keeps artifacts. Called by `artifacts.py`.

A server of another machine must never choose what is read from this one: what it says of paths is looked for only below
the folder that the importer named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from tidewheel.migrate.source import Source

_BESIDE = ("mlartifacts", "mlruns", "artifacts", ".")  # where servers and clients put artifacts beside their database
_INDIRECT = ("runs", "models")  # MLflow's client would follow these to wherever the server says next
_OWN_END = 2  # names at a path's end that are surely its own: a run and its folder, say


@dataclass(frozen=True, slots=True)
class Gone:
    """A place that cannot be read from here. `root` is the same for all that lay together."""

    root: str
    why: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look for the artifacts of one source."""

    source: Source
    roots: tuple[Path, ...]
    given: bool = False  # whether the source's owner named the roots, so that what is not in them is nowhere

    @classmethod
    def of(cls, source: Source, given: Path | None) -> Places:
        """The places for a source; `given` is what its owner says."""
        if given is not None:
            return cls(source, (given.absolute(),), given=True)
        path = source.address.path
        if path is None:
            return cls(source, ())
        if source.address.kind == "folder":
            return cls(source, (path, path.parent / "mlartifacts"))
        return cls(source, tuple(path.parent / name for name in _BESIDE))

    def find(self, uri: str) -> Path | Any | Gone | None:
        """A folder here, a repository of MLflow's client, a place that cannot be read, or None: there are no files."""
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts":
            if self.source.address.kind == "server":
                return self._repository(uri)
            return self._moved(PurePosixPath(unquote(parts.path)), uri, proxied=True)
        if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
            return Gone(f"file://{parts.netloc}", "lies on another machine")
        if parts.scheme in _INDIRECT and self.source.address.is_remote:
            return Gone(f"{parts.scheme}:/", "may lead to any folder of this machine")
        if parts.scheme in ("", "file"):
            return self._on_disk(PurePosixPath(unquote(parts.path) if parts.scheme else uri), uri)
        return self._repository(uri)

    def _on_disk(self, path: PurePosixPath, uri: str) -> Path | Gone | None:
        for folder in self._meant(path):
            if folder.exists():
                return folder
        return self._moved(path, uri, proxied=False)

    def _meant(self, path: PurePosixPath) -> list[Path]:
        """What a path may mean: a relative one is of the folder in which the server or client was started."""
        beside = self.source.address.path
        if self.source.address.is_remote:
            return [Path(path)] if self._is_below_given(path) else []
        if path.is_absolute() or beside is None:
            return [Path(path)]
        return [beside.parent / path, *(root.parent / path for root in self.roots), Path(path)]

    def _is_below_given(self, path: PurePosixPath) -> bool:
        place = Path(path).resolve()
        return path.is_absolute() and any(place.is_relative_to(root.resolve()) for root in self.roots)

    def _moved(self, path: PurePosixPath, uri: str, *, proxied: bool) -> Path | Gone | None:
        names = [name for name in path.parts if name not in ("/", ".", "..")]
        for root in self.roots:
            for start in range(max(1, len(names) - _OWN_END + 1)):
                if (folder := root.joinpath(*names[start:])).exists():
                    return folder
        above = path.parents[min(2, len(path.parents) - 1)]  # the folder of all experiments, if this is a run's
        if self._holds(above, proxied):
            return None
        why = "lies on the server's machine" if self.source.address.kind == "server" else "is not on this machine"
        return Gone(uri[: uri.find(str(above)) + len(str(above))] if not proxied else "mlflow-artifacts:/", why)

    def _holds(self, above: PurePosixPath, proxied: bool) -> bool:
        """Whether the folder in which such things lie is there, so that what is not in it never was."""
        if not proxied and above.parts not in ((), ("/",)) and any(each.is_dir() for each in self._meant(above)):
            return True
        return any(root.is_dir() and (self.given or root.name in ("mlartifacts", "mlruns")) for root in self.roots)

    def _repository(self, uri: str) -> Any | Gone:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            return get_artifact_repository(uri, tracking_uri=self.source.uri)
        except Exception as error:  # a scheme's own package may be missing, or its credentials
            return Gone(f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc}", _first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
