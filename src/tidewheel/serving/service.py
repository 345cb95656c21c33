"""Serving's verbs: which versions answer for which endpoint, and what the workers make of it.

`app.py` constructs it; the loop and rollouts move routes through it; people through its doors. A route is journaled
first and published after; `publish` may be repeated at any time and mends whatever is missing, so a crash between the
two is healed by the controller's next round. It must never write the snapshot of a version whose files are not in
place.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.base.settings import Settings
from tidewheel.base.units import from_us
from tidewheel.registry import Registry
from tidewheel.serving import store
from tidewheel.serving.assignment import order_weights
from tidewheel.serving.batch import BatchOptions, BatchProgress, BatchResult, VersionOpening, score_file
from tidewheel.serving.labelling import LabelInput, to_label
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.publish import Plans, Publisher
from tidewheel.serving.records import Endpoint, Route, RoutingUnit, ServingStatus
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.watching import live_generations, serving_status
from tidewheel.serving.worker.runtime import LoadedVersion, load_version
from tidewheel.storage import Blobs, Change, Metadata
from tidewheel.storage.predictions import PredictionLog, PredictionWriter

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
    ) -> None:
        self._metadata = metadata
        self._registry = registry
        self._clock = clock
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
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name[:120]!r} cannot name an endpoint.", fix="Use letters, digits, '.', '-' and '_', at most 100."
            )
        with self._metadata.read() as connection:
            known = store.endpoint_created_at_us(connection, name) is not None
        if not known:
            with contextlib.suppress(_CreatedMeanwhileError), self._metadata.change() as change:
                if store.endpoint_created_at_us(change.connection, name) is not None:
                    raise _CreatedMeanwhileError  # with a route by now, perhaps, which an empty one must not follow
                store.add_endpoint(change.connection, name, self._clock.now_us())
                entry_id = change.emit("serving.endpoint.created", f"endpoint:{name}")
                self._add_route(change, name, {}, (), RoutingUnit(), name, entry_id)
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
            raise _no_endpoint(name)
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

    def route(self, endpoint: str) -> Route:
        """How an endpoint's requests are shared now."""
        return self.endpoint(endpoint).route

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
        _check_weights(weights, shadows)
        for version_id in (*weights, *shadows):
            self._publisher.prepare(self._registry.version(version_id))
        wanted_unit = RoutingUnit(unit.entity, unit.window_s) if unit else RoutingUnit()  # also from rollout's Unit
        if self._differs(endpoint, weights, shadows, wanted_unit):
            with self._metadata.change(cause=cause) as change:
                self._change_route(change, endpoint, weights, tuple(shadows), wanted_unit)
        self.publish()
        return self.route(endpoint)

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

    def _differs(self, endpoint: str, weights: Mapping[str, float], shadows: Sequence[str], unit: RoutingUnit) -> bool:
        present = self.route(endpoint)
        return (present.weights, present.shadows, present.unit) != (dict(weights), tuple(shadows), unit)

    def _change_route(
        self, change: Change, endpoint: str, weights: Mapping[str, float], shadows: tuple[str, ...], unit: RoutingUnit
    ) -> None:
        present = store.current_route(change.connection, endpoint)
        if present is None:
            raise _no_endpoint(endpoint)
        ordered = order_weights(list(present.weights), weights)
        facts = {"weights": ordered, "shadows": list(shadows), "before": present.weights, "unit": asdict(unit)}
        inputs = [f"version:{version}" for version in (*ordered, *shadows)]
        entry_id = change.emit("serving.route.changed", f"endpoint:{endpoint}", facts, inputs=inputs)
        self._add_route(change, endpoint, ordered, shadows, unit, _salt(present, ordered), entry_id)

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

    def _add_route(
        self,
        change: Change,
        endpoint: str,
        weights: dict[str, float],
        shadows: tuple[str, ...],
        unit: RoutingUnit,
        salt: str,
        entry_id: str,
    ) -> None:
        route = Route(
            endpoint=endpoint,
            generation=store.last_generation(change.connection) + 1,
            weights=weights,
            shadows=shadows,
            unit=unit,
            salt=salt,
            at=self._clock.now(),
            entry_id=entry_id,
        )
        store.add_route(change.connection, route)


class _CreatedMeanwhileError(Exception):
    """Rolls the creation of an endpoint back that another process has just made."""


def _endpoint(created_at_us: int, route: Route, options: EndpointOptions, options_generation: int) -> Endpoint:
    generation = max(route.generation, options_generation)
    return Endpoint(route.endpoint, from_us(created_at_us), route, options, generation)


def _salt(present: Route, ordered: Mapping[str, float]) -> str:
    """Toss new coins when a newcomer joins a lone version, so that the first 5 % are not always the same callers."""
    newcomers = [version for version in ordered if version not in present.weights]
    return f"{present.endpoint}/{newcomers[0]}" if newcomers and len(present.weights) <= 1 else present.salt


def _check_weights(weights: Mapping[str, float], shadows: Sequence[str]) -> None:
    total = sum(weights.values())
    if any(share < 0 for share in weights.values()) or not abs(total - 100) < 0.1:
        raise InvalidInput(
            f"The weights {dict(weights)} do not share 100 percent.", where="weights", fix="They must add up to 100."
        )
    both = sorted({*weights} & {*shadows})
    if both:
        raise InvalidInput(f"{', '.join(both)} cannot both answer and be a shadow.", where="shadows")


def _no_endpoint(name: str) -> NotFound:
    return NotFound(f"There is no endpoint {name!r}.", fix="`tidewheel endpoints ls` lists what there is.")
