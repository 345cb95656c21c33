"""The room's nouns: a principal and its token, what the audit found, a graph of lineage, a chain of causes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidewheel.base.doors import Role
from tidewheel.storage import Entry


@dataclass(frozen=True, slots=True)
class Principal:
    """In whose name something is done, and how far that reaches."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept: never its secret."""

    id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made. This is the only time that its secret is shown."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """Whether the journal's hash chain holds, up to where, and the first link that does not."""

    holds: bool
    entries: int
    broken_seq: int | None = None
    broken_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LineageNode:
    """Something that came from something: `id` is `kind:name`, `distance` the steps from where the walk began."""

    id: str
    kind: str
    distance: int


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """`target` came from `source`; the entry that says so."""

    source: str
    target: str
    entry_id: str
    entry_kind: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a node came from (up), what came from it (down), or both. `complete` is False where the depth cut it off."""

    root: str
    nodes: list[LineageNode]
    edges: list[LineageEdge]
    complete: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """One link in the chain of causes, and in a sentence what happened."""

    entry: Entry
    says: str
