"""Identifiers: a readable prefix and a ULID, so that they sort by time and say what they name.

`ver_01jd…`: 48 bits of milliseconds and 80 random bits, in Crockford's base 32 (https://github.com/ulid/spec).
The time inside is the machine's, not the replay clock's: ids stay unique and ordered when a replay starts over.
"""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


def ulid() -> str:
    """A new ULID, 26 lower-case characters, that sorts after all that this process has made before."""
    number = _sequence.next()
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def new_id(prefix: str) -> str:
    """A new identifier such as ``run_01jd5m…``; `prefix` names the noun."""
    return f"{prefix}_{ulid()}"


class _Sequence:
    """Numbers that rise, within a millisecond and over a clock that was set back, too.

    A step within a millisecond is random, not one as in the specification: a forked child goes on from the same number.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            now = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
            self._last = now if now > self._last else self._last + 1 + int.from_bytes(os.urandom(8))
            return self._last

    def renew_lock(self) -> None:
        """In a forked child: the lock may be held by a thread that it does not have."""
        self._lock = threading.Lock()


_sequence = _Sequence()
os.register_at_fork(after_in_child=_sequence.renew_lock)
