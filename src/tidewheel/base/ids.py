"""Identifiers: a readable prefix and a ULID, so that they sort by time and say what they name.

`ver_01jd…`: 48 bits of milliseconds and 80 random bits, in Crockford's base 32 (https://github.com/ulid/spec).
The time inside is the machine's, not the replay clock's: ids stay unique and ordered when a replay starts over.
"""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


def ulid() -> str:
    """A new ULID, 26 lower-case characters."""
    number = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def new_id(prefix: str) -> str:
    """A new identifier such as ``run_01jd5m…``; `prefix` names the noun."""
    return f"{prefix}_{ulid()}"
