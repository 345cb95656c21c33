"""Copies the files of a run or a logged model into Tidewheel's artifacts.

Folders of this machine are read from disk, others through MLflow's client, file by file, each through a temporary file:
memory stays the same however large they are. What cannot be reached is told once for each place, and stops nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidewheel.app import Platform
from tidewheel.base.errors import TidewheelError
from tidewheel.migrate.places import Gone, Places
from tidewheel.migrate.records import Options, Problem

_LANES = 4  # files that come over the network at the same time
PROXIED = "mlflow-artifacts:/"


@dataclass(frozen=True, slots=True)
class Held:
    """How many files, of how many bytes, a place holds."""

    files: int
    size_bytes: int


@dataclass(slots=True)
class ArtifactCopier:
    """Brings files of one source. `unreached` counts, for each place that cannot be read, what lay there."""

    platform: Platform
    places: Places
    options: Options
    problems: list[Problem]
    unreached: dict[tuple[str, str], int] = field(default_factory=dict)

    def bring(self, uri: str, target: str) -> Held | None:
        """Copy what lies at an address there to an address here; None if it cannot be reached.

        The answer says what the source holds, whether or not all of it could be written.
        """
        if self._known_gone(uri):
            return None
        found = self.places.find(uri)
        if isinstance(found, Gone):
            self.unreached[found.root, found.why] = self.unreached.get((found.root, found.why), 0) + 1
            return None
        if found is None:
            return Held(0, 0)
        if isinstance(found, Path):
            return self._bring_folder(found, target.removeprefix(PROXIED))
        return self._bring_remote(found, uri, target.removeprefix(PROXIED))

    def tell(self) -> None:
        """Add what could not be reached to the problems."""
        for (root, why), count in self.unreached.items():
            owners = "one run or model" if count == 1 else f"{count} runs or models"
            self.problems.append(Problem(f"artifacts of {owners} at {root}", why))
        self.unreached.clear()

    def held_here(self, target: str) -> Held:
        """What Tidewheel holds at an address."""
        kept = self.platform.artifacts.below(target.removeprefix(PROXIED))
        return Held(len(kept), sum(artifact.size_bytes for artifact in kept))

    def _known_gone(self, uri: str) -> bool:
        """Whether a remote place has failed before, so that ten thousand runs do not each wait for it."""
        for root, why in self.unreached:
            if "://" in root and uri.startswith(root):
                self.unreached[root, why] += 1
                return True
        return False

    def _bring_folder(self, folder: Path, target: str) -> Held:
        files = dict(_files_of(folder))
        if files and not self.options.dry_run:
            try:
                self.platform.artifacts.put(target, folder)
            except TidewheelError:  # a single file of a folder is refused: the others are brought one by one
                for name, file in files.items():
                    self._put(f"{target}/{name}", file)
        return Held(len(files), sum(file.stat().st_size for file in files.values()))

    def _bring_remote(self, repository: Any, uri: str, target: str) -> Held | None:
        try:
            files = dict(_listed(repository, None))
        except Exception as error:  # each kind of repository raises its own
            root = uri if uri.startswith(PROXIED) else "/".join(uri.split("/")[:3])
            why = (str(error).splitlines() or [type(error).__name__])[0][:300]
            self.unreached[root, why] = self.unreached.get((root, why), 0) + 1
            return None
        if not self.options.dry_run:
            self._download(repository, self._missing(files, target), target)
        return Held(len(files), sum(files.values()))

    def _missing(self, files: dict[str, int], target: str) -> list[str]:
        """The files to download: those that are not here yet at their size."""
        if self.options.everything or not files:
            return list(files)
        here = {a.path.removeprefix(f"{target}/"): a.size_bytes for a in self.platform.artifacts.below(target)}
        return [name for name, size_bytes in files.items() if here.get(name) != size_bytes]

    def _download(self, repository: Any, names: list[str], target: str) -> None:
        def fetch(name: str) -> None:
            with tempfile.TemporaryDirectory(dir=self.places.source.scratch) as scratch:
                file = Path(scratch) / "file"
                try:
                    repository._download_file(name, str(file))
                except Exception as error:
                    self.problems.append(Problem(f"artifact {target}/{name}", str(error)[:300]))
                    return
                self._put(f"{target}/{name}", file)

        with ThreadPoolExecutor(_LANES) as lanes:
            list(lanes.map(fetch, names))

    def _put(self, path: str, file: Path) -> None:
        try:
            self.platform.artifacts.put(path, file)
        except TidewheelError as error:
            self.problems.append(Problem(f"artifact {path}", error.message))


def _files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files below a folder by relative path; links count if they lead to a file within it."""
    if folder.is_file():
        yield folder.name, folder
        return
    inside = folder.resolve()
    for above, _, names in os.walk(folder):
        for name in names:
            file = Path(above, name)
            if not file.is_symlink() or (file.is_file() and file.resolve().is_relative_to(inside)):
                yield file.relative_to(folder).as_posix(), file


def _listed(repository: Any, path: str | None) -> Iterator[tuple[str, int]]:
    for each in repository.list_artifacts(path):
        if each.is_dir:
            yield from _listed(repository, each.path)
        else:
            yield each.path, each.file_size or 0
