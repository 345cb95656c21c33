"""Saved views of an experiment's runs, and what a table of runs asks beside its rows. The pages are the callers.

A view is text that somebody named: it is checked for length only, and read again by the search each time it is opened.
"""

from __future__ import annotations

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound, TooLarge
from tidewheel.base.filter_grammar import parse_filter
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us
from tidewheel.storage import Metadata
from tidewheel.storage.journal import current_actor
from tidewheel.tracking import experiment_store, run_search_store, view_store
from tidewheel.tracking.limits import check_run_name
from tidewheel.tracking.view_records import ExperimentCounts, RunKeys, SavedView, Stage

MAX_VIEWS = 200
_MAX_TEXT = 10_000
_MAX_COLUMNS = 100
_KEYS_OF_NEWEST = 500


class Views:
    """Keeps how people look at runs."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock

    @door("GET", "/tracking/views")
    def views(self, experiment_id: str) -> list[SavedView]:
        """The saved views of an experiment, by name."""
        with self._metadata.read() as connection:
            return view_store.list_views(connection, experiment_id)

    @door("POST", "/tracking/views")
    def save(
        self,
        experiment_id: str,
        name: str,
        filter: str = "",  # noqa: A002 - the field's word
        order_by: str = "",
        columns: tuple[str, ...] = (),
        stage: Stage = "active",
    ) -> SavedView:
        """Keep a view under a name, over the one that has it."""
        if not check_run_name(name.strip()):
            raise InvalidInput("The view has no name.", where="name", fix="Say what it shows, as in: best of July.")
        if max(len(filter), len(order_by), *(len(column) for column in columns), 0) > _MAX_TEXT:
            raise TooLarge("The view is too long to keep.", fix=f"Stay below {_MAX_TEXT} characters.")
        if len(columns) > _MAX_COLUMNS:
            raise TooLarge(f"The view has {len(columns)} columns.", fix=f"Choose at most {_MAX_COLUMNS}.")
        view = SavedView(
            id=new_id("view"),
            experiment_id=experiment_id,
            name=name.strip(),
            filter=filter,
            order_by=order_by,
            columns=tuple(columns),
            stage=stage,
            saved_by=current_actor(),
            saved_at=from_us(self._clock.now_us()),
        )
        with self._metadata.change() as change:
            if experiment_store.find_experiment(change.connection, id_=experiment_id) is None:
                raise NotFound(f"There is no experiment {experiment_id[:80]!r}.")
            if view_store.count_views(change.connection, experiment_id) >= MAX_VIEWS:
                raise TooLarge(f"The experiment has {MAX_VIEWS} views already.", fix="Delete one first.")
            view_store.put_view(change.connection, view)
            facts = {"name": view.name, "filter": filter, "order_by": order_by}
            change.emit("tracking.view.saved", f"experiment:{experiment_id}", facts)
        return view

    @door("POST", "/tracking/views/{view_id}/delete")
    def delete(self, view_id: str) -> SavedView:
        """Forget a view; the runs that it showed stay."""
        with self._metadata.change() as change:
            view = view_store.find_view(change.connection, view_id)
            if view is None:
                raise NotFound(f"There is no saved view {view_id[:80]!r}.")
            view_store.drop_view(change.connection, view_id)
            change.emit("tracking.view.deleted", f"experiment:{view.experiment_id}", {"name": view.name})
        return view

    @door("GET", "/tracking/counts")
    def counts(self, experiment_id: str | None = None) -> list[ExperimentCounts]:
        """How many runs each experiment, or one, has, and when the newest began."""
        with self._metadata.read() as connection:
            return view_store.count_runs(connection, experiment_id)

    @door("GET", "/tracking/experiments/{experiment_id}/count")
    def matching(self, experiment_id: str, filter: str = "", stage: Stage = "active") -> int:  # noqa: A002
        """How many of an experiment's runs a filter fits, in the grammar of the search of runs."""
        comparisons = parse_filter(filter, run_search_store.RUN_WORDS)
        with self._metadata.read() as connection:
            return run_search_store.count_runs(connection, [experiment_id], comparisons, stage)

    @door("GET", "/tracking/experiments/{experiment_id}/keys")
    def keys(self, experiment_id: str) -> RunKeys:
        """The params, metrics and tags that an experiment's newest 500 runs have."""
        with self._metadata.read() as connection:
            return view_store.read_keys(connection, experiment_id, _KEYS_OF_NEWEST)
