"""How an endpoint is served, beside its route: batching, queueing, deadlines, isolation, what is logged of it.

Set by its owner (`Serving.configure_endpoint`, or declared with a loop), carried in the snapshot, obeyed by the
workers. Frozen, JSON-able, no I/O. The defaults are right for a fast model: nothing waits, everything is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput

_YEAR_S = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """What an endpoint's owner asks of its workers."""

    max_batch_rows: int = 64
    """Requests are put together into one model call up to this many rows; 1 = never. A larger request goes alone."""
    batch_wait_ms: float = 0.0
    """How long a model call may wait for more requests while others are under way; a lone request never waits."""
    max_queue: int = 1024
    """Requests that may wait in a worker for this endpoint's models; one more is answered 429."""
    timeout_ms: float = 0.0
    """A request that has waited longer is answered 504 and not computed; 0 = no limit of the endpoint's own."""
    isolated: bool = False
    """Whether each model runs in a process of its own, so that one which crashes or leaks takes no other along."""
    idle_unload_s: float = 0.0
    """A version without a request for this long leaves memory until the next one; 0 = stays."""
    log_share: float = 1.0
    """The share of live requests that are logged, 0 to 1, by the hash of the request id: all rows of one or none."""
    redact: tuple[str, ...] = ()
    """Inputs and entity keys whose values are left out of the log (NaN, or the empty key)."""

    def check(self) -> None:
        """Raise InvalidInput for a value that no worker can obey, and say which."""
        wrong = [
            f"{name} must be {wanted}, not {value!r}"
            for name, value, good, wanted in (
                ("max_batch_rows", self.max_batch_rows, 1 <= self.max_batch_rows <= 65_536, "from 1 to 65536"),
                ("batch_wait_ms", self.batch_wait_ms, 0 <= self.batch_wait_ms <= 1000, "from 0 to 1000"),
                ("max_queue", self.max_queue, 1 <= self.max_queue <= 1_000_000, "from 1 to 1000000"),
                ("timeout_ms", self.timeout_ms, 0 <= self.timeout_ms <= 3_600_000, "from 0 to 3600000"),
                ("idle_unload_s", self.idle_unload_s, 0 <= self.idle_unload_s <= _YEAR_S, "from 0 to a year"),
                ("log_share", self.log_share, 0 <= self.log_share <= 1, "from 0 to 1"),
                ("redact", self.redact, all(self.redact) and len(self.redact) <= 1000, "up to 1000 names"),
            )
            if not good
        ]
        if wrong:
            raise InvalidInput(
                f"These options cannot be kept: {'; '.join(wrong)}.", fix="Give values within these bounds."
            )

    def changed(self, **given: Any) -> EndpointOptions:
        """These options with those that are given, i.e. not None, in place of the present ones; checked."""
        options = replace(self, **{name: value for name, value in given.items() if value is not None})
        options.check()
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredOptions:
    """The options that a project declares with a loop, `tw.Serving(timeout_ms=50)`: those of `EndpointOptions`, by the
    same names and within the same bounds; None = not declared.

    Raises:
        InvalidInput: if a value is one that no worker can obey.
    """

    max_batch_rows: int | None = None
    batch_wait_ms: float | None = None
    max_queue: int | None = None
    timeout_ms: float | None = None
    isolated: bool | None = None
    idle_unload_s: float | None = None
    log_share: float | None = None
    redact: Sequence[str] | None = None

    def __post_init__(self) -> None:
        try:
            msgspec.convert({**asdict(EndpointOptions()), **self.given()}, EndpointOptions).check()
        except msgspec.ValidationError as error:
            raise InvalidInput(f"This is no option of an endpoint: {error}.", where="tw.Serving") from None

    def given(self) -> dict[str, Any]:
        """The declared options by name, as a store gives them back: a list for a tuple."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | ({"redact": list(self.redact)} if isinstance(self.redact, tuple) else {})
