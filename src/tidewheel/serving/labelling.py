"""From a label as it is sent to a label as the log keeps it. Shared by the doors of workers and control plane."""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_instant, to_us
from tidewheel.storage.predictions.records import Label

_MAX_ID = 210
_MAX_VALUES = 100


class LabelInput(msgspec.Struct):
    """A label as it is sent: `at` is ISO 8601, microseconds since 1970, or left out for now."""

    id: str
    values: dict[str, float | bool]
    at: int | str | None = None


def to_label(given: LabelInput, now_us: int) -> Label:
    """The label as it is logged.

    Raises:
        InvalidInput: if it has no id, no values, a value that is not a number, or an instant that is none.
    """
    if not 0 < len(given.id) <= _MAX_ID:
        raise InvalidInput(f"A label needs the prediction's id, of at most {_MAX_ID} characters.", where="labels.id")
    if not 0 < len(given.values) <= _MAX_VALUES or any(len(name) > _MAX_ID for name in given.values):
        raise InvalidInput(
            f"A label needs 1 to {_MAX_VALUES} values with short names.", where=given.id, fix='As in {"accepted": 1.0}.'
        )
    values = {name: float(value) for name, value in given.values.items()}
    if not all(math.isfinite(value) for value in values.values()):
        raise InvalidInput("A label's values must be finite numbers.", where=given.id)
    return Label(given.id, _instant_us(given.at, now_us), values)


def _instant_us(at: int | str | None, now_us: int) -> int:
    if at is None:
        return now_us
    if isinstance(at, str):
        return to_us(parse_instant(at))
    if not 0 <= at <= to_us(datetime.max.replace(tzinfo=parse_instant("2000-01-01").tzinfo)):
        raise InvalidInput(f"{at} is not an instant.", fix="Send microseconds since 1970, or ISO 8601.")
    return at
