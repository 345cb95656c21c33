"""Serving's verbs: which versions answer for which endpoint, and what the workers make of it.

`app.py` constructs it; the loop and rollouts move routes through it; people through its doors. A route is journaled
first and published after; `publish` may be repeated at any time and mends whatever is missing, so a crash between the
two is healed by the controller's next round. It must never write the snapshot of a version whose files are not in
place.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.base.settings import Settings
from tidewheel.base.units import from_us
from tidewheel.registry import Registry
from tidewheel.serving import routing, store
from tidewheel.serving.batch import BatchOptions, BatchProgress, BatchResult, VersionOpening, score_file
from tidewheel.serving.fitting import Asked, check_fits
from tidewheel.serving.labelling import LabelInput, to_label
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.publish import Plans, Publisher
from tidewheel.serving.records import Endpoint, Route, RoutingUnit, ServingStatus
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.watching import live_generations, serving_status
from tidewheel.serving.worker.runtime import LoadedVersion, load_version
from tidewheel.storage import Blobs, Change, Metadata
from tidewheel.storage.predictions import PredictionLog, PredictionWriter
from tidewheel.storage.predictions.recency import answered_since

_QUIET_S = 300
HeldBy = Callable[[str], str | None]


class Unit(Protocol):
    """What the coin is tossed for: `RoutingUnit`, or a rollout's own."""

    @property
    def entity(self) -> str: ...
    @property
    def window_s(self) -> float: ...


class Serving:
    """Endpoints and their routes."""

    def __init__(
        self,
        metadata: Metadata,
        registry: Registry,
        features: Plans,
        blobs: Blobs,
        predictions: PredictionLog,
        clock: Clock,
        settings: Settings,
        home: Path,
        held_by: HeldBy = lambda _: None,
    ) -> None:
        """`held_by` says who needs an endpoint, so that it cannot be deleted; None where nobody does."""
        self._metadata = metadata
        self._registry = registry
        self._features = features
        self._clock = clock
        self._held_by = held_by
        self._folder = ServingFolder(home)
        keep_models_s = settings.get("serving.keep_models_s", float)
        self._publisher = Publisher(metadata, registry, features, blobs, self._folder, keep_models_s)
        self._log_folder = predictions.folder
        self._segment_bytes = settings.get("storage.segment_bytes", int)
        self._online_url = settings.get("storage.online_url", str)
        self._label_writer: PredictionWriter | None = None
        self._label_lock = threading.Lock()

    @door("POST", "/serving/endpoints")
    def create_endpoint(self, name: str) -> Endpoint:
        """Make an endpoint; one that is there already is returned as it is.

        Raises:
            InvalidInput: if the name is not letters, digits, dots, dashes and underscores, at most 100.
        """
        routing.check_name(name)
        with self._metadata.read() as connection:
            known = store.endpoint_created_at_us(connection, name) is not None
        if not known:
            with contextlib.suppress(_DoneMeanwhileError), self._metadata.change() as change:
                if not routing.make_endpoint(change, name, self._clock):
                    raise _DoneMeanwhileError
            self.publish()
        return self.endpoint(name)

    @door("GET", "/serving/endpoints")
    def endpoints(self) -> list[Endpoint]:
        """All endpoints, by name."""
        with self._metadata.read() as connection:
            routes = {route.endpoint: route for route in store.current_routes(connection)}
            options = store.all_options(connection)
            known = store.list_endpoints(connection)
        unset = (EndpointOptions(), 0)
        return [_endpoint(at_us, routes[name], *options.get(name, unset)) for name, at_us in known]

    @door("GET", "/serving/endpoints/{name}")
    def endpoint(self, name: str) -> Endpoint:
        """One endpoint, its route and its options."""
        with self._metadata.read() as connection:
            at_us = store.endpoint_created_at_us(connection, name)
            route = store.current_route(connection, name)
            options, generation = store.options_of(connection, name)
        if at_us is None or route is None:
            raise routing.no_endpoint(name)
        return _endpoint(at_us, route, options, generation)

    @door("PUT", "/serving/endpoints/{name}/options")
    def configure_endpoint(
        self,
        name: str,
        max_batch_rows: int | None = None,
        batch_wait_ms: float | None = None,
        max_queue: int | None = None,
        timeout_ms: float | None = None,
        isolated: bool | None = None,
        idle_unload_s: float | None = None,
        log_share: float | None = None,
        redact: list[str] | None = None,
    ) -> Endpoint:
        """Change how an endpoint is served: batching, queueing, deadlines, isolation, what is logged of it.

        What is not given stays as it is. Workers obey once they run the `generation` of the endpoint returned. What
        each option means stands at `EndpointOptions`; `redact` replaces the names before, and `[]` redacts nothing.

        Raises:
            NotFound: if there is no such endpoint.
            InvalidInput: if a value is one that no worker can obey.
        """
        changed = partial(
            EndpointOptions.changed,
            max_batch_rows=max_batch_rows,
            batch_wait_ms=batch_wait_ms,
            max_queue=max_queue,
            timeout_ms=timeout_ms,
            isolated=isolated,
            idle_unload_s=idle_unload_s,
            log_share=log_share,
            redact=None if redact is None else tuple(dict.fromkeys(redact)),
        )
        present = self.endpoint(name).options
        if changed(present) != present:
            with self._metadata.change() as change:
                self._change_options(change, name, changed)
        self.publish()
        return self.endpoint(name)

    @door("DELETE", "/serving/endpoints/{name}")
    def delete_endpoint(self, name: str, force: bool = False) -> None:
        """Take an endpoint away, with its options; workers forget it. Its routes stay in the journal.

        Raises:
            NotFound: if there is no such endpoint.
            Conflict: if a loop or a rollout needs it; or if it has answered in the last five minutes, and not `force`.
        """
        self.endpoint(name)
        holder = self._held_by(name)
        if holder is not None:
            raise Conflict(f"The endpoint {name!r} is needed by {holder}.", fix="End that first.")
        since_us = self._clock.now_us() - _QUIET_S * 1_000_000
        if not force and answered_since(self._log_folder, name, since_us):
            raise Conflict(
                f"The endpoint {name!r} has answered requests in the last {_QUIET_S // 60} minutes.",
                fix="Send its callers elsewhere first, or say that you mean it: --yes (over HTTP, force=true).",
            )
        (self._folder.unloaded / name).unlink(missing_ok=True)  # first: else one of its name could begin unloaded
        with self._metadata.change() as change:
            routing.remove_endpoint(change, name, self._clock)
        self.publish()

    def route(self, endpoint: str, change: Change | None = None) -> Route:
        """How an endpoint's requests are shared now; within an open change, as that finds it."""
        if change is None:
            return self.endpoint(endpoint).route
        found = store.current_route(change.connection, endpoint)
        if found is None:
            raise routing.no_endpoint(endpoint)
        return found

    def champion(self, endpoint: str) -> str | None:
        """The version that newcomers are measured against, or None before the first deployment."""
        return self.route(endpoint).champion

    @door("GET", "/serving/endpoints/{name}/history")
    def history(self, name: str, limit: int = 100) -> list[Route]:
        """The routes that an endpoint has had, newest first."""
        with self._metadata.read() as connection:
            return store.route_history(connection, name, limit)

    @door("POST", "/serving/endpoints/{endpoint}/route")
    def set_route(
        self,
        endpoint: str,
        weights: dict[str, float],
        shadows: Sequence[str] = (),
        unit: RoutingUnit | None = None,
        cause: str | None = None,
    ) -> Route:
        """Share an endpoint's requests between versions, in percent, and mirror them to `shadows`.

        Callers stay where they are as far as the weights allow: newcomers get the beginning of the hash line, so a
        caller who is in 5 % stays in at 25 %. Setting the present route again changes nothing. `cause` is the journal
        entry because of which this is done.

        Raises:
            NotFound: if there is no such endpoint or version.
            InvalidInput: if the weights are negative or do not add up to 100.
        """
        routing.check_weights(weights, shadows)
        self.prepare((*weights, *shadows))
        wanted_unit = _plain(unit)
        if self._differs(endpoint, weights, shadows, wanted_unit):
            with contextlib.suppress(_DoneMeanwhileError), self._metadata.change(cause=cause) as change:
                if not routing.change_route(change, endpoint, weights, shadows, wanted_unit, self._clock):
                    raise _DoneMeanwhileError
        self.publish()
        return self.route(endpoint)

    def prepare(self, version_ids: Sequence[str]) -> None:
        """Put versions in place and try them, so that a route to them can be published at once. Slow the first time.

        Raises:
            NotFound: if there is no such version.
            Corrupt: if one does not load and answer.
            NotAllowed: if one executes code and nobody vouched for it.
        """
        for version_id in version_ids:
            self._publisher.prepare(self._registry.version(version_id))

    def check_candidate(self, endpoint: str, champion: str, candidate: str) -> None:
        """Refuse a candidate whose required inputs the endpoint's requests do not give.

        Raises:
            NotFound: if there is no such version.
            InvalidInput: if it requires an input that the champion cannot be given; it says which.
        """
        check_fits(endpoint, self._asked(champion), self._asked(candidate))

    def change_route(
        self,
        change: Change,
        endpoint: str,
        weights: Mapping[str, float],
        shadows: Sequence[str],
        unit: Unit | None = None,
        *,
        new_endpoint: bool = False,
    ) -> None:
        """Set a route in an open change, together with what else happens there; the caller has prepared the versions,
        and publishes when the change has committed. `new_endpoint` makes the endpoint where there is none.

        Raises:
            NotFound: if there is no such endpoint.
        """
        routing.check_weights(weights, shadows)
        if new_endpoint:
            routing.check_name(endpoint)
            routing.make_endpoint(change, endpoint, self._clock)
        routing.change_route(change, endpoint, weights, shadows, _plain(unit), self._clock)

    def publish(self) -> int:
        """Bring the workers' snapshot to the present routes, mend what is missing, and return its generation."""
        return self._publisher.publish()

    def applied(self, generation: int) -> bool:
        """Whether there are live workers and all of them run this generation or a later one."""
        live = live_generations(self._folder)
        return bool(live) and min(live) >= generation

    @door("POST", "/serving/labels")
    def label(self, labels: list[dict[str, Any]]) -> dict[str, int]:
        """Log what turned out to be true: `[{"id": prediction id, "values": {"accepted": 1.0}, "at"?: instant}]`.

        All of them are logged, or none; acknowledged means in the mapped log.
        """
        try:
            given = msgspec.convert(labels, list[LabelInput])
        except msgspec.ValidationError as error:
            raise InvalidInput(f"These are not labels: {error}.", fix="See the shape above.") from None
        now_us = self._clock.now_us()
        records = [to_label(each, now_us) for each in given]
        with self._label_lock:
            if self._label_writer is None:
                self._label_writer = PredictionWriter(self._log_folder, f"c{os.getpid()}", self._segment_bytes)
            self._label_writer.append_labels(records)
        return {"accepted": len(records)}

    def open_version(self, version_id: str) -> LoadedVersion:
        """A version loaded in this process, as a worker would load it: for `score`."""
        return load_version(self._folder, self._publisher.prepare(self._registry.version(version_id)))

    def opening(self, version_id: str) -> VersionOpening:
        """What another process needs to load a version, once it has passed its trial: for `score_file`."""
        spec = self._publisher.prepare(self._registry.version(version_id))
        return VersionOpening(self._folder.root.parent, spec, self._online_url)

    def batch(
        self,
        version_id: str,
        source: str,
        target: str,
        options: BatchOptions | None = None,
        report: Callable[[BatchProgress], None] | None = None,
    ) -> BatchResult:
        """Score a file, a folder or a table into another; interrupted, it goes on when it is called again.

        Raises:
            NotFound, InvalidInput, Taken, Conflict, Unavailable: as `score_file`.
        """
        opening = self.opening(version_id)
        return score_file(opening, source, target, options, at_us=self._clock.now_us(), report=report)

    @door("GET", "/serving/status")
    def status(self) -> ServingStatus:
        """The inference workers: who lives, what they run, and their counts."""
        return serving_status(self._folder)

    def _asked(self, version_id: str) -> Asked:
        version = self._registry.version(version_id)
        looked_up_by: tuple[str, ...] | None = None
        if version.feature_set_hash:
            record = self._features.record(version.feature_set_hash)
            looked_up_by = (*record.entities, *record.request)
        return Asked(version.id, version.signature, looked_up_by)

    def _differs(self, endpoint: str, weights: Mapping[str, float], shadows: Sequence[str], unit: RoutingUnit) -> bool:
        present = self.route(endpoint)
        return (present.weights, present.shadows, present.unit) != (dict(weights), tuple(shadows), unit)

    def _change_options(
        self, change: Change, endpoint: str, changed: Callable[[EndpointOptions], EndpointOptions]
    ) -> None:
        """Change the options as they are by now: another process may have changed others since we looked."""
        before, _ = store.options_of(change.connection, endpoint)
        options = changed(before)
        facts = {"options": asdict(options), "before": asdict(before)}
        entry_id = change.emit("serving.endpoint.configured", f"endpoint:{endpoint}", facts)
        generation = store.last_generation(change.connection) + 1
        store.set_options(change.connection, endpoint, options, generation, self._clock.now_us(), entry_id)


class _DoneMeanwhileError(Exception):
    """Rolls a change back that another process has just made."""


def _plain(unit: Unit | None) -> RoutingUnit:
    """A unit of whatever room as serving's own."""
    return RoutingUnit(unit.entity, unit.window_s) if unit else RoutingUnit()


def _endpoint(created_at_us: int, route: Route, options: EndpointOptions, options_generation: int) -> Endpoint:
    generation = max(route.generation, options_generation)
    return Endpoint(route.endpoint, from_us(created_at_us), route, options, generation)
