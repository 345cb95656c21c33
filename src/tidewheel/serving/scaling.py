"""How many workers a load wants: a pure function of what the last looks at the workers have shown.

Up quickly, since callers wait meanwhile; down slowly, one at a time, since starting a worker again costs more than
keeping it. The supervisor asks it once a second; the same signal is exported for Kubernetes' autoscaler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

TARGET = 0.6
"""The utilisation that a worker is meant to have: CPU seconds per second."""
HIGH = 0.75
"""The utilisation above which there are too few workers. Between this and TARGET nothing changes: no flapping."""
WAITING = 8
"""The requests that may wait in a worker, or be with its models, before there are too few workers."""
UP_LOOKS = 3
"""Consecutive looks that must agree before a worker is added: one may be the machine's hiccup."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one look has shown of all workers together."""

    at_s: float
    """Monotonic seconds."""
    cores: float
    """CPU seconds per second since the look before."""
    waiting: float
    """Requests that wait for a model or are with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Between how many workers load may choose, and how long fewer must have been enough before one goes."""

    least: int
    most: int
    down_s: float


@dataclass(frozen=True, slots=True)
class Decision:
    """How many workers there shall be, and why; `reason` is empty where nothing changes."""

    workers: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says, and how many workers it wants, if it applies."""

    reason: str
    wanted: Callable[[Limits, int, Sequence[Load]], int | None]


def decide(limits: Limits, workers: int, loads: Sequence[Load]) -> Decision:
    """How many workers there shall be, where there are `workers` and `loads` are the looks since that was so.

    The first rule of the table that applies is followed, within the limits.

    >>> busy = [Load(float(second), cores=0.9, waiting=2.0) for second in range(3)]
    >>> decide(Limits(1, 4, 60.0), 1, busy)
    Decision(workers=2, reason='they are busy: 0.90 CPU seconds a second for each of 1, above 0.75')
    """
    for rule in RULES:
        wanted = rule.wanted(limits, workers, loads)
        if wanted is None:
            continue
        wanted = min(max(wanted, limits.least), limits.most)
        if wanted != workers:
            return Decision(wanted, rule.reason.format(**_evidence(limits, workers, loads)))
    return Decision(workers)


def needed(load: Load) -> int:
    """The workers that have a load at TARGET each, and no more than WAITING requests in any."""
    return max(ceil(load.cores / TARGET), ceil(load.waiting / WAITING), 1)


def _outside(limits: Limits, workers: int, _: Sequence[Load]) -> int | None:
    return None if limits.least <= workers <= limits.most else workers


def _busy(_: Limits, workers: int, loads: Sequence[Load]) -> int | None:
    last = loads[-UP_LOOKS:]
    if len(last) < UP_LOOKS or any(load.cores <= HIGH * workers for load in last):
        return None
    return max(min(needed(load) for load in last), workers + 1)


def _waiting(_: Limits, workers: int, loads: Sequence[Load]) -> int | None:
    last = loads[-UP_LOOKS:]
    if len(last) < UP_LOOKS or any(load.waiting <= WAITING * workers for load in last):
        return None
    return min(needed(load) for load in last)


def _idle(limits: Limits, workers: int, loads: Sequence[Load]) -> int | None:
    if not loads or loads[-1].at_s - loads[0].at_s < limits.down_s or any(needed(load) >= workers for load in loads):
        return None
    return workers - 1


RULES = (
    Rule("the settings ask for {least} to {most}", _outside),
    Rule("they are busy: {busy:.2f} CPU seconds a second for each of {workers}, above {HIGH}", _busy),
    Rule("requests wait: {waiting:.0f} in {workers}, more than {WAITING} each", _waiting),
    Rule("fewer have been enough for {down_s:g} s", _idle),
)
"""What changes the number of workers, first to last."""


def _evidence(limits: Limits, workers: int, loads: Sequence[Load]) -> dict[str, float]:
    """The figures that reasons name: those of the look that shows the least of the last."""
    last = loads[-UP_LOOKS:]
    return {
        "least": limits.least,
        "most": limits.most,
        "down_s": limits.down_s,
        "workers": workers,
        "busy": min((load.cores for load in last), default=0.0) / max(workers, 1),
        "waiting": min((load.waiting for load in last), default=0.0),
        "HIGH": HIGH,
        "WAITING": WAITING,
    }
