"""What a rollout asks of the rooms beside and below it. `app.py` hands in what fits; mypy checks the fit there.

Guarantees that an implementer gives: what has returned outlives the process, and what was done in an open change
commits or vanishes with it; a call may be repeated after a crash with the same arguments and then leaves things as they
are; a change is journaled under the acting cause; nothing here waits for workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tidewheel.storage import Change


class RouteInForce(Protocol):
    """The split of an endpoint's requests: percentages by version, versions that answer unseen, the champion among
    them, its generation, and the journal entry that says who set it."""

    @property
    def weights(self) -> Mapping[str, float]: ...
    @property
    def shadows(self) -> Sequence[str]: ...
    @property
    def champion(self) -> str | None: ...
    @property
    def generation(self) -> int: ...
    @property
    def entry_id(self) -> str: ...


class Traffic(Protocol):
    """The splits of all endpoints."""

    def prepare(self, version_ids: Sequence[str], /) -> None:
        """Make versions ready to answer; slow the first time. Raises what keeps one from answering."""

    def check_candidate(self, endpoint: str, champion: str, candidate: str, /) -> None:
        """Refuse a candidate that the endpoint's requests cannot be answered by."""

    def change_route(
        self,
        change: Change,
        endpoint: str,
        weights: Mapping[str, float],
        shadows: Sequence[str],
        unit: Any = None,
        *,
        new_endpoint: bool = False,
    ) -> None:
        """In an open change, send these percentages to these versions, and copies of all requests to the shadows.

        `unit` says what the coin is tossed for: an object with `entity` and `window_s` (`plans.Unit`). `new_endpoint`
        makes the endpoint where there is none.
        """

    def publish(self) -> int:
        """Let workers know of the splits that have committed."""

    def route(self, endpoint: str, change: Change | None = None, /) -> RouteInForce | None:
        """The split that was set last, if one was; within an open change, as that finds it. Raises NotFound where there
        is no such endpoint."""

    def history(self, endpoint: str, limit: int, /) -> Sequence[RouteInForce]:
        """The splits that an endpoint has had, newest first."""

    def applied(self, generation: int) -> bool:
        """Whether every live worker routes by this generation or a later one."""


class Aliases(Protocol):
    """Which version is champion."""

    def follow(self, change: Change, endpoint: str, version_id: str, before: str | None) -> None:
        """A version is champion of an endpoint now, in place of another: in the open change, make it its model's
        champion, if that is the endpoint's to say; nothing happens if it is already."""
