"""What a rollout asks of the rooms beside and below it. `app.py` hands in what fits; mypy checks the fit there.

Guarantees that an implementer gives: what has returned outlives the process; a call may be repeated after a crash with
the same arguments and then leaves things as they are; a change is journaled under the acting cause; nothing here waits
for workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class RouteInForce(Protocol):
    """The split of an endpoint's requests: percentages by version, versions that answer unseen, and its generation."""

    @property
    def weights(self) -> Mapping[str, float]: ...
    @property
    def shadows(self) -> Sequence[str]: ...
    @property
    def generation(self) -> int: ...


class Traffic(Protocol):
    """The splits of all endpoints."""

    def set_route(self, endpoint: str, weights: dict[str, float], shadows: Sequence[str], unit: Any) -> RouteInForce:
        """Send these percentages to these versions, and copies of all requests to the shadows.

        `unit` says what the coin is tossed for: an object with `entity`, `window_s` and `switchback` (`plans.Unit`).
        """

    def route(self, endpoint: str) -> RouteInForce | None:
        """The split that was set last, if one was."""

    def applied(self, generation: int) -> bool:
        """Whether every live worker routes by this generation or a later one."""


class Aliases(Protocol):
    """Which version is champion."""

    def promote(self, version_id: str) -> object:
        """Make this version its model's champion; nothing happens if it is already."""
