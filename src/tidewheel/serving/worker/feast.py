"""The feature server's two calls, in Feast's JSON: `POST /push` and `POST /get-online-features`.

https://docs.feast.dev/reference/feature-servers/python-feature-server. Views and feature sets are those of the loaded
versions' plans. Reading is done at once; pushing waits for the store's one writer and is therefore done in a thread.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.clock import Clock
from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError, TooLarge
from tidewheel.base.units import from_us
from tidewheel.serving.worker.endpoints import EndpointTable
from tidewheel.serving.worker.feature_plans import Plan
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.storage.contracts import KeyValue

_MAX_ROWS = 10_000
_PRESENT: Literal["PRESENT"] = "PRESENT"
_NOT_FOUND: Literal["NOT_FOUND"] = "NOT_FOUND"
_NEVER = "1970-01-01T00:00:00Z"
"""The instant that Feast gives for keys, and for what was not found."""
_encode = msgspec.json.Encoder().encode


class PushBody(msgspec.Struct):
    """The body of a push: columns of events for one view."""

    push_source_name: str
    df: dict[str, list[Any]]
    to: str = "online"


class OnlineBody(msgspec.Struct):
    """The body of an online read: a feature set by name, or features as `view:feature`."""

    entities: dict[str, list[Any]]
    feature_service: str | None = None
    features: list[str] | None = None
    full_feature_names: bool = False
    request_context: dict[str, list[Any]] = {}


class Pushed(msgspec.Struct, frozen=True):
    """The answer to a push: how many events were counted, and how many came too late to count."""

    view: str
    counted: int
    late: int


class OnlineNames(msgspec.Struct, frozen=True):
    """The names of the results, in their order."""

    feature_names: list[str]


class OnlineColumn(msgspec.Struct, frozen=True):
    """One entity key or feature: its value a row, whether it was found, and as of when it was computed."""

    values: list[Any]
    statuses: list[Literal["PRESENT", "NOT_FOUND"]]
    event_timestamps: list[str]


class OnlineFeatures(msgspec.Struct, frozen=True):
    """The answer to an online read."""

    metadata: OnlineNames
    results: list[OnlineColumn]


class FeatureServer:
    """Answers Feast's calls from the present table."""

    def __init__(self, table: Callable[[], EndpointTable], online: KeyValue, clock: Clock) -> None:
        self._table = table
        self._online = online
        self._clock = clock
        self._pushing = ThreadPoolExecutor(1, "push")

    def push(self, exchange: Exchange) -> None:
        """`POST /push`: count events into a view; answered when they are counted."""
        try:
            body = _decoded(exchange, PushBody)
            if body.to != "online":  # saying yes to the rest would be to lose it
                raise InvalidInput(
                    f"A worker pushes to the online store alone, not to {body.to!r:.100}.",
                    fix="Append the rows to the dataset, and push them here with to = online.",
                )
            views = {view.hash: view for view in self._views() if view.name == body.push_source_name}
            if not views:
                raise _no_view(body.push_source_name)
            rows = _rows(body.df)
        except TidewheelError as error:
            exchange.refuse(error.status, str(error))
            return
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._pushing, _push, self._online, list(views.values()), rows, self._clock.now_us()
        )
        work.add_done_callback(lambda done: _answer(exchange, done))

    def read(self, exchange: Exchange) -> None:
        """`POST /get-online-features`: features of entities as of now."""
        try:
            body = _decoded(exchange, OnlineBody)
            answer = self._read(body)
        except TidewheelError as error:
            exchange.refuse(error.status, str(error))
            return
        exchange.answer(200, _encode(answer))

    def _read(self, body: OnlineBody) -> OnlineFeatures:
        plan, wanted = self._plan_of(body)
        given = {**body.entities, **body.request_context}
        count = _count(given)
        for name in (*plan.entities, *plan.request):
            if name not in given:
                raise InvalidInput(f"The feature set {plan.name!r} needs {name!r}.", where="entities")
        entities = {name: [_key(key) for key in given[name]] for name in plan.entities}
        request = {name: _request_values(name, kind, given[name]) for name, kind in plan.request.items()}
        at_us = self._clock.now_us()
        matrix = plan.online(self._online, entities, request, at_us)
        keys = [name for name in body.entities if name not in plan.request]
        results = [OnlineColumn(body.entities[name], [_PRESENT] * count, [_NEVER] * count) for name in keys]
        instant = from_us(at_us).isoformat().replace("+00:00", "Z")
        results += [_column(matrix[:, plan.names.index(feature)], instant) for _, feature in wanted]
        names = [f"{source}__{feature}" if body.full_feature_names else feature for source, feature in wanted]
        return OnlineFeatures(OnlineNames([*keys, *names]), results)

    def _plan_of(self, body: OnlineBody) -> tuple[Plan, list[tuple[str, str]]]:
        """The plan to ask, and (view, feature) of each feature wanted; the view may be an on-demand one."""
        if body.feature_service is not None:
            for plan in self._plans():
                if plan.name == body.feature_service:
                    sources = _sources(plan)
                    return plan, [(sources[feature], feature) for feature in plan.names]
            raise NotFound(f"No served model uses the feature set {body.feature_service!r}.")
        wanted = [_reference(text) for text in body.features or ()]
        if not wanted:
            raise InvalidInput(
                "No features are asked for.", fix='Give "feature_service" or "features": ["view:feature"].'
            )
        for plan in self._plans():
            sources = _sources(plan)
            if all(view in (plan.name, sources.get(feature)) and feature in sources for view, feature in wanted):
                return plan, wanted
        raise NotFound(f"No served model's features hold all of {', '.join(body.features or ())}.")

    def _plans(self) -> Iterable[Plan]:
        found = {id(version.plan): version.plan for version in self._table().versions().values() if version.plan}
        return found.values()

    def _views(self) -> Iterable[Any]:
        return (view for plan in self._plans() for view in plan.views)


def _sources(plan: Plan) -> dict[str, str]:
    """The name of the view, stored or on demand, that each feature of a plan is from."""
    owners = {name: source.name for source in (*plan.on_demands, *plan.views) for name in source.names}
    return {name: owners.get(name, plan.name) for name in plan.names}


def _column(values: NDArray[np.float64], instant: str) -> OnlineColumn:
    missing = np.isnan(values).tolist()
    statuses = [_NOT_FOUND if each else _PRESENT for each in missing]
    return OnlineColumn(values.tolist(), statuses, [_NEVER if each else instant for each in missing])


def _push(online: KeyValue, views: list[Any], rows: list[dict[str, Any]], now_us: int) -> bytes:
    from tidewheel.features.push import push_rows

    results = [push_rows(online, view, rows, now_us=now_us) for view in views]
    first = results[0]
    return _encode(Pushed(first.view, first.counted, first.late))


def _answer(exchange: Exchange, done: asyncio.Future[bytes]) -> None:
    try:
        exchange.answer(200, done.result())
    except TidewheelError as error:
        exchange.refuse(error.status, str(error))
    except Exception:  # a client must not wait for an answer that nobody will give
        traceback.print_exc(file=sys.stderr)
        exchange.refuse(500, "The server failed; its log says how.")


def _decoded(exchange: Exchange, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(exchange.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"The body is not what Feast sends here: {error}.") from None


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    count = _count(columns)
    return [{name: values[row] for name, values in columns.items()} for row in range(count)]


def _count(columns: dict[str, list[Any]]) -> int:
    counts = {len(values) for values in columns.values()}
    if len(counts) != 1:
        raise InvalidInput("The columns differ in length." if counts else "There are no columns.")
    (count,) = counts
    if count > _MAX_ROWS:
        raise TooLarge(f"{count} rows were sent at once.", fix=f"Send at most {_MAX_ROWS}.")
    return count


def _key(value: Any) -> str:
    if not isinstance(value, str | int):
        raise InvalidInput(f"{value!r:.100} is not an entity key.", fix="Keys are strings or integers.")
    return str(value)


def _request_values(name: str, kind: type, values: list[Any]) -> list[Any]:
    if kind is str:
        return values
    if not all(value is None or isinstance(value, int | float) for value in values):
        raise InvalidInput(f"The values of {name!r} are not numbers.")
    return [np.nan if value is None else float(value) for value in values]


def _reference(text: str) -> tuple[str, str]:
    view, colon, feature = text.partition(":")
    if not colon:
        raise InvalidInput(f"{text!r:.200} is not a feature.", fix="Write view:feature.")
    return view, feature


def _no_view(name: str) -> NotFound:
    return NotFound(f"No served model uses a feature view {name[:100]!r}.", fix="Push through the control plane.")
