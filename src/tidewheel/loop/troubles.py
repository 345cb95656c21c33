"""Which loops could not take their step, and when each may try again. In memory: nothing is lost with it.

Kept by `loops.py`, so that a loop whose project is broken is told of, tried again at a growing pause, and never keeps
the other loops of the install from going.
"""

from __future__ import annotations

import logging
import time

from tidewheel.base.errors import TidewheelError

_LONGEST_PAUSE_S = 30.0
_log = logging.getLogger("tidewheel.loop")


class Troubles:
    """Failures in a row, by the loop's name."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, float]] = {}

    def may_try(self, name: str) -> bool:
        """Whether a loop is in no trouble, or its pause is over."""
        return name not in self._found or time.monotonic() >= self._found[name][1]

    def note(self, name: str, error: Exception) -> None:
        """A loop could not take its step: say so, once with the traceback of what nobody foresaw, and let it pause."""
        failures = self._found[name][0] + 1 if name in self._found else 1
        self._found[name] = failures, time.monotonic() + min(0.25 * 2.0**failures, _LONGEST_PAUSE_S)
        told = error if failures == 1 and not isinstance(error, TidewheelError) else None
        _log.warning("the loop %s could not go on (%d in a row): %s", name, failures, error, exc_info=told)

    def clear(self, name: str) -> None:
        """A loop took its step."""
        self._found.pop(name, None)
