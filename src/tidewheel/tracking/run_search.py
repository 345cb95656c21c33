"""One search of runs: what was asked for, checked and understood, and the ids that it finds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidewheel.base.filter_grammar import parse_filter, parse_order_by
from tidewheel.base.page_tokens import page_offset, page_token as token_of
from tidewheel.tracking import limits
from tidewheel.tracking.records import Stage
from tidewheel.tracking.run_search_store import RUN_WORDS, search_run_ids


class RunSearch:
    """A page of runs that is asked for, as in `RunReading.search_runs`."""

    def __init__(
        self,
        experiment_ids: Sequence[str] | None,
        filter: str,  # noqa: A002 - the protocol's word
        order_by: list[str] | None,
        limit: int,
        page_token: str | None,
        stage: Stage,
    ) -> None:
        self._limit = limits.check_limit(limit)
        self._filters, self._orders = parse_filter(filter, RUN_WORDS), parse_order_by(order_by, RUN_WORDS)
        self._offset = page_offset(page_token)
        self._experiment_ids, self._stage = experiment_ids, stage

    def run(self, connection: Connection) -> tuple[list[str], str | None]:
        """The ids of the page, in order, and the token of the next if there is one."""
        found = search_run_ids(
            connection, self._experiment_ids, self._filters, self._orders, self._stage,
            limit=self._limit + 1, offset=self._offset,
        )  # fmt: skip
        more = len(found) > self._limit
        return found[: self._limit], token_of(self._offset + self._limit) if more else None
