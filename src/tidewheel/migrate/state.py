"""What an import remembers of a thing, in one of its tags: a hash of what the source said, and what the source held.

The tag is written last. So a thing without it came over in part, one whose hash is the same need not come again, and
what cannot be counted cheaply (points, files) is verified against what was counted when it was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidewheel.base.hashing import hash_json
from tidewheel.migrate.records import IMPORTED_STATE
from tidewheel.migrate.source_records import facts

_HASH_DIGITS = 32


@dataclass(frozen=True, slots=True)
class State:
    """`files` is None where files were not asked for, or could not be reached."""

    hash: str
    points: int = 0
    files: int | None = None
    bytes: int = 0

    def to_tag(self) -> dict[str, str]:
        """The tag that keeps it."""
        return {IMPORTED_STATE: json.dumps(asdict(self), separators=(",", ":"))}

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> State | None:
        """What a thing's tags keep, or None if it came over in part, or was never imported."""
        try:
            return cls(**json.loads(tags[IMPORTED_STATE]))
        except (KeyError, ValueError, TypeError):
            return None


def hash_of(record: Any) -> str:
    """The hash of all that a source says of a thing."""
    return hash_json(facts(record))[:_HASH_DIGITS]
