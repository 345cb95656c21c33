"""What a Delta commit says about itself: the platform's time, the caller's metadata, and who made it, once.

`CommitLog` reads a table's commits as they come and keeps them in memory; commits made by maintenance are passed over,
since they change no row. Used by `delta_table` only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.fs as pafs
from deltalake import CommitProperties, Transaction

from tidewheel.base.ids import ulid
from tidewheel.base.units import from_us, to_us
from tidewheel.storage.contracts import TableVersion

_FACTS = "tidewheel"
_MAINTENANCE = "tidewheel.maintenance"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is written into one commit; `token` tells it from every other one."""

    at: datetime
    metadata: Mapping[str, str]
    once: tuple[str, int] | None
    token: str

    def properties(self, *, retries: int | None) -> CommitProperties:
        """As delta-rs takes it. With `retries=0` the commit fails if anyone committed since the handle's version."""
        facts = {
            "at_us": to_us(self.at),
            "metadata": dict(self.metadata),
            "once": list(self.once or ()),
            "token": self.token,
        }
        return CommitProperties({_FACTS: facts}, retries, [Transaction(*self.once)] if self.once else None)


def stamp(at: datetime, metadata: Mapping[str, str] | None, once: tuple[str, int] | None = None) -> Stamp:
    """A new stamp for one write."""
    return Stamp(at, metadata or {}, once, ulid())


def maintenance(what: str) -> CommitProperties:
    """For a commit that changes no row; it fails if anyone else committed since the handle's version."""
    return CommitProperties({_MAINTENANCE: what}, 0)


def has_commit(files: pafs.FileSystem, number: int) -> bool:
    """Whether a commit is there. Much cheaper than asking delta-rs for news, and right: no log file is ever removed."""
    return bool(files.get_file_info(_path(number)).type == pafs.FileType.File)


@dataclass(frozen=True, slots=True)
class Commit:
    """A version and the stamp it was made with."""

    version: TableVersion
    stamp: Stamp


class CommitLog:
    """The commits of one table, oldest first, read once each. Not safe for threads by itself.

    The log's files are read directly: delta-rs's own `history` numbers its entries wrongly while others commit.
    """

    def __init__(self, files: pafs.FileSystem) -> None:
        self.commits: list[Commit] = []
        self._files = files
        self._next = 0

    def follow(self, version: int) -> list[Commit]:
        """All commits up to a version."""
        for number in range(self._next, version + 1):
            entry = self._read(number)
            if _MAINTENANCE not in entry:
                self.commits.append(_commit(number, entry))
            self._next = number + 1
        return self.commits

    def _read(self, number: int) -> dict[str, Any]:
        with self._files.open_input_stream(_path(number)) as stream:
            actions = [json.loads(line) for line in stream.read().splitlines() if line.startswith(b'{"commitInfo"')]
        return dict(actions[0]["commitInfo"]) if actions else {"timestamp": 0, "operation": "UNKNOWN"}

    def made_with(self, token: str) -> TableVersion:
        """The version whose commit carries this token."""
        return next(found.version for found in reversed(self.commits) if found.stamp.token == token)

    def made_once(self, once: tuple[str, int]) -> TableVersion:
        """The version that a writer made with this sequence, or its last one."""
        own = [found for found in self.commits if found.stamp.once and found.stamp.once[0] == once[0]]
        return next((found for found in own if found.stamp.once == once), own[-1]).version


def _path(number: int) -> str:
    return f"_delta_log/{number:020d}.json"


def _commit(number: int, entry: Mapping[str, Any]) -> Commit:
    # A commit that another program made has no facts of ours: its own time stands in.
    facts = entry.get(_FACTS) or {"at_us": entry["timestamp"] * 1000, "metadata": {}, "once": [], "token": ""}
    writer = (str(facts["once"][0]), int(facts["once"][1])) if facts["once"] else None
    made = Stamp(from_us(int(facts["at_us"])), facts["metadata"], writer, facts["token"])
    return Commit(TableVersion(number, made.at, str(entry["operation"]), made.metadata), made)
