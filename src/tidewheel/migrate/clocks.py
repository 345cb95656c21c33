"""MLflow's milliseconds as instants. Pure.

A store may hold any number as a time, also one that lies after the year 9999 (nanoseconds logged as milliseconds, say).
Such an instant cannot be shown, so it is refused with the number.
"""

from __future__ import annotations

from datetime import datetime

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import from_us


def instant(at_ms: int) -> datetime:
    """The instant of milliseconds since 1970.

    Raises:
        InvalidInput: if there is no such instant.
    """
    try:
        return from_us(at_ms * 1000)
    except OverflowError:
        raise InvalidInput(f"{at_ms} milliseconds after 1970 lie outside the years 1 to 9999.") from None
