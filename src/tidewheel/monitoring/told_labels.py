"""Which labels were told before: a client that sends again what it is not sure of must not count twice.

Kept by `service.py`. Labels that arrive twice are no independent evidence: with every label told twice, 11 of 12
calibrated models raised a concept alert within 100,000 predictions that stayed silent when each was told once. The
memory is this process's and holds the newest values, so what is told again after very many others, or after another
controller has taken over, does count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice

from tidewheel.storage.predictions import Label

_KEPT = 200_000  # values, about 30 MB


class ToldLabels:
    """The first value of each prediction and name counts, as in rollouts. Not for threads."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], None] = {}

    def first_told(self, labels: Iterable[Label]) -> list[Label]:
        """The labels with those of their values that are told for the first time; changes nothing."""
        found, here = [], set[tuple[str, str]]()
        for label in labels:
            fresh = {
                name: value
                for name, value in label.values.items()
                if math.isfinite(value) and (key := (label.id, name)) not in self._told and key not in here
            }
            here.update((label.id, name) for name in fresh)
            if fresh:
                found.append(Label(label.id, label.at_us, fresh))
        return found

    def remember(self, labels: Iterable[Label]) -> None:
        """These have been counted for good."""
        self._told.update(((label.id, name), None) for label in labels for name in label.values)
        for each in list(islice(self._told, max(len(self._told) - _KEPT, 0))):
            del self._told[each]
