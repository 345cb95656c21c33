"""How many bytes of requests a worker holds, and whether it takes more: one bound for both its ports.

Lanes bound what waits by number, and a few large requests fill the memory all the same. A request's body counts from
its first byte on the wire to its answer, in the size that it has when it is read; over gRPC from when it is whole. What
it becomes, rows of float64, is not counted: of images of bytes in binary eight times as much. Lives on the event loop:
plain sums, no lock. Called by `http_protocol` and `grpc`, a few additions a request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tidewheel.base.errors import Overloaded


class Intake:
    """The bodies that a worker holds. `held_bytes` is kept up by whoever holds one."""

    __slots__ = ("_count_shed", "held_bytes", "most_bytes")

    def __init__(self, most_bytes: int = 0, count_shed: Callable[[], None] = lambda: None) -> None:
        """`most_bytes` 0 is no bound; `count_shed` is called for every request that is refused because of it."""
        self.held_bytes = 0
        self.most_bytes = most_bytes or sys.maxsize
        self._count_shed = count_shed

    def is_full(self, own_bytes: int, more_bytes: int = 0) -> bool:
        """Whether a request is one too many that holds `own_bytes` of what is held and would take `more_bytes`.

        A request that is alone never is: one larger than the bound could not be answered at any time.
        """
        others_bytes = self.held_bytes - own_bytes
        return others_bytes > 0 and self.held_bytes + more_bytes > self.most_bytes

    def take(self, size_bytes: int) -> None:
        """Hold a body that is here whole; its holder takes it off `held_bytes` again.

        Raises:
            Overloaded: if it is one too many.
        """
        if self.is_full(0, size_bytes):
            raise self.refusal()
        self.held_bytes += size_bytes

    def refusal(self) -> Overloaded:
        """What the client of a request that is one too many is told; counts it."""
        self._count_shed()
        return Overloaded(
            f"The requests that this worker holds have {self.held_bytes:,} bytes, and {self.most_bytes:,} may be held.",
            fix="Try again later, or raise serving.queue_mb.",
        )
