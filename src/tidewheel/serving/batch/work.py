"""The folder of an unfinished job, beside its target: finished parts, and a manifest that says of what.

Parts are made of the source's rows, the version and the options; if any of these has changed, so has the fingerprint,
and the job begins anew. Every file appears whole, so that after `kill -9` what lies there can be trusted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidewheel.base.errors import Conflict
from tidewheel.serving.batch.part_scoring import part_place, read_arrow, rejects_place
from tidewheel.serving.batch.places import Place

_PART = re.compile(r"(part|rejects)-(\d{8})\.arrow")


class Manifest(msgspec.Struct, frozen=True):
    """What the parts of a folder were made of."""

    fingerprint: str
    at_us: int
    """As of when features are looked up."""
    publishing: bool = False
    """Whether the target may be ours already: then it is replaced, and nothing stands twice."""


class Work:
    """The folder of one job."""

    def __init__(self, target: Place) -> None:
        self.folder = target.beside(f".{target.name}.batch")
        self._manifest = self.folder.within("manifest.json")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against a second run of the job on this machine.

        Raises:
            Conflict: if one runs.
        """
        if not self.folder.is_local:
            yield  # S3 has no locks; two runs lay down the same parts
            return
        import fcntl

        Path(self.folder.path).mkdir(parents=True, exist_ok=True)
        with Path(self.folder.within(".lock").path).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fix = "Let it finish, or end it and run this again."
                raise Conflict("The same target is being written by another run.", where=lock.name, fix=fix) from None
            yield

    def left(self, fingerprint: str) -> Manifest | None:
        """The manifest of an interrupted run of the same job, if there is one."""
        if not self._manifest.is_file():
            return None
        manifest = msgspec.json.decode(self._manifest.read(), type=Manifest)
        return manifest if manifest.fingerprint == fingerprint else None

    def begin(self, manifest: Manifest, *, anew: bool) -> None:
        """Write the manifest; `anew` without what another job left."""
        if anew:
            for facts in self.folder.files() if self.folder.is_folder() else []:
                self.folder.within(facts.path.rpartition("/")[2]).delete()
        self._manifest.write(msgspec.json.encode(manifest))

    def finished(self) -> dict[int, int]:
        """The finished parts, and how many bad rows each has."""
        names = [facts.path.rpartition("/")[2] for facts in self.folder.files()]
        kinds = [(found[1], int(found[2])) for found in map(_PART.fullmatch, names) if found]
        bad = {index for kind, index in kinds if kind == "rejects"}
        return {
            index: read_arrow(rejects_place(self.folder, index)).num_rows if index in bad else 0
            for kind, index in kinds
            if kind == "part"
        }

    def part(self, index: int) -> Place:
        """Where the answered rows of a part lie."""
        return part_place(self.folder, index)

    def rejects(self, index: int) -> Place:
        """Where the bad rows of a part lie."""
        return rejects_place(self.folder, index)

    def remove(self) -> None:
        """Forget the job: its target stands."""
        self.folder.delete()
