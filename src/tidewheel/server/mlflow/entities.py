"""The small pieces that MLflow's messages are made of, shared by the files of the nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tidewheel.base.units import from_us
from tidewheel.server.mlflow.protocol import missing, wrong
from tidewheel.tracking.limits import MAX_INSTANT_US
from tidewheel.tracking.records import Stage

_STAGES: dict[str | int, Stage] = {
    "ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all", 1: "active", 2: "deleted", 3: "all",
    "1": "active", "2": "deleted", "3": "all",
}  # fmt: skip


class KeyValue(msgspec.Struct):
    """A tag or a param."""

    key: str = ""
    value: str = ""


def texts(sent: Sequence[KeyValue], noun: str = "tags") -> dict[str, str]:
    """Tags as a mapping; the last of a key counts."""
    for position, pair in enumerate(sent):
        if not pair.key:
            raise missing(f"{noun}[{position}].key")
    return {pair.key: pair.value for pair in sent}


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as MLflow writes it."""
    return [{"key": key, "value": value} for key, value in values.items()]


def stage_of(view_type: str | int) -> Stage:
    """Which lifecycle stages a ViewType means."""
    if view_type not in _STAGES:
        raise wrong("view_type", view_type)
    return _STAGES[view_type]


def instant(name: str, milliseconds: int) -> datetime:
    """A moment that MLflow counts in milliseconds."""
    if not 0 <= milliseconds * 1000 <= MAX_INSTANT_US:
        raise wrong(name, milliseconds, "It must be milliseconds since 1970, before the year 10000.")
    return from_us(milliseconds * 1000)
