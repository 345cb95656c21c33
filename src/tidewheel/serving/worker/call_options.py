"""What a request's parameters say of its handling, alike in every protocol: the routing key, how long to wait, whether
to say why. Parameters of other names are the client's own, as Triton allows, and are left alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tidewheel.base.errors import InvalidInput

_LONGEST_TIMEOUT_US = 10**13


def key_among(parameters: Mapping[str, Any] | None) -> str | None:
    """The routing key that a request gives as its parameter `key`.

    Raises:
        InvalidInput: if it is not a string or an integer.
    """
    given = parameters.get("key") if parameters else None
    if given is None:
        return None
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise InvalidInput("The routing key must be a string.", where="parameters.key")
    return str(given)


def asks_why(parameters: Mapping[str, Any] | None) -> bool:
    """Whether a request asks by its parameter `explain` for what each feature added to the answer.

    Raises:
        InvalidInput: if it is neither true nor false.
    """
    given = parameters.get("explain") if parameters else None
    if given is None or given is True or given is False:
        return given is True
    raise InvalidInput(
        f"The parameter explain is {given!r:.40}.", where="parameters.explain", fix="Give true or false."
    )


def deadline_of(remaining_s: float | None, parameters: Mapping[str, Any] | None) -> float | None:
    """When the caller stops waiting, on `time.monotonic()`: what its transport says or Triton's `timeout`, the earlier.

    Raises:
        InvalidInput: if `timeout` is no number of microseconds.
    """
    timeout_us = parameters.get("timeout") if parameters else None
    if timeout_us:
        if type(timeout_us) is not int or not 0 < timeout_us < _LONGEST_TIMEOUT_US:
            raise InvalidInput(
                f"The timeout is {timeout_us!r:.40}.", where="parameters.timeout", fix="Give whole microseconds."
            )
        timeout_s = timeout_us / 1e6
        remaining_s = timeout_s if remaining_s is None else min(remaining_s, timeout_s)
    return None if remaining_s is None else time.monotonic() + remaining_s
