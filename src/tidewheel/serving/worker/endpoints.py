"""What a worker serves at one moment: endpoints with their routes and loaded versions. Built whole, swapped whole.

A request takes the table once and finishes on the versions that it found there. Pure but for what versions hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidewheel.base.errors import NotFound, Unavailable
from tidewheel.serving.assignment import Line, hash_line, pick, point_of
from tidewheel.serving.options import EndpointOptions
from tidewheel.serving.records import RoutingUnit
from tidewheel.serving.snapshot import Snapshot, SnapshotEndpoint
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.storage.predictions.log_policy import LogPolicy


@dataclass(frozen=True, slots=True)
class LoadedEndpoint:
    """An endpoint and the versions behind it. `line` is empty while it has no route."""

    name: str
    line: Line
    salt: str
    unit: RoutingUnit
    versions: dict[str, LoadedVersion]
    shadows: tuple[LoadedVersion, ...]
    known_inputs: frozenset[str]
    options: EndpointOptions
    policies: dict[str, LogPolicy]
    """What is logged of each version's answers."""
    loading: bool = False
    """Whether it has a route, and no version of it is loaded yet."""

    def choose(self, unit: str) -> LoadedVersion:
        """The version that answers a routing unit."""
        if len(self.line) == 1:
            return self.versions[self.line[0][1]]
        return self.versions[pick(self.line, point_of(self.salt, unit))]

    def last_on_route(self) -> LoadedVersion:
        """The version with the last word on the route: the champion.

        Raises:
            Unavailable: if no version is behind the endpoint.
        """
        self.require_route()
        return self.versions[self.line[-1][1]]

    def champion_inputs(self) -> frozenset[str]:
        """What the champion takes, which is what callers are told; before there is one, what any version does."""
        return self.versions[self.line[-1][1]].known_inputs if self.line else self.known_inputs

    def require_route(self) -> None:
        """Raise Unavailable if no version is behind the endpoint."""
        if self.loading:
            raise Unavailable(
                f"The endpoint {self.name!r} is loading its version.",
                fix="Try again in a moment; `GET /api/v1/serving/status` says what keeps it.",
            )
        if not self.line:
            raise Unavailable(
                f"The endpoint {self.name!r} has no version to answer with.",
                fix="Deploy one: `tidewheel deploy MODEL --endpoint …`.",
            )

    @property
    def numbered(self) -> dict[str, LoadedVersion]:
        """Its versions by number. Numbers are a model's own: while one model makes room for another on the route, they
        are those of the champion's."""
        model = self.versions[self.line[-1][1]].model if self.line else None
        return {each.number: each for each in self.versions.values() if model is None or each.model == model}

    def version(self, asked: str) -> LoadedVersion:
        """The version of an id or a number.

        Raises:
            NotFound: if the endpoint does not have it loaded.
        """
        found = self.versions.get(asked)
        if found is not None:
            return found
        found = self.numbered.get(asked)
        if found is not None:
            return found
        there = ", ".join(f"{version.number} ({version.id})" for version in self.versions.values()) or "none"
        raise NotFound(f"The endpoint {self.name!r} has no version {asked[:100]!r}.", fix=f"It has: {there}.")


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """All endpoints of one generation."""

    generation: int
    endpoints: dict[str, LoadedEndpoint]

    def endpoint(self, name: str) -> LoadedEndpoint:
        """The endpoint of a name.

        Raises:
            NotFound: if there is none.
        """
        found = self.endpoints.get(name)
        if found is None:
            raise NotFound(f"There is no endpoint {name[:100]!r}.", fix="`tidewheel endpoints ls` lists what there is.")
        return found

    def versions(self) -> dict[str, LoadedVersion]:
        """All loaded versions, by id."""
        return {key: version for each in self.endpoints.values() for key, version in each.versions.items()}


def build_table(
    snapshot: Snapshot, loaded: Mapping[str, LoadedVersion], present: EndpointTable | None = None
) -> EndpointTable:
    """The table of a snapshot, of what could be loaded of it.

    An endpoint that lacks a version stays as it is in the `present` table; without one, the missing version's share
    falls to the others. An endpoint that the snapshot does not name is gone.
    """
    taken = [spec for spec in snapshot.endpoints if present is None or is_loaded(spec, loaded)]
    named = {spec.name for spec in snapshot.endpoints}
    kept = {} if present is None else {name: each for name, each in present.endpoints.items() if name in named}
    return EndpointTable(snapshot.generation, {**kept, **{spec.name: _endpoint(spec, loaded) for spec in taken}})


def announce(snapshot: Snapshot, present: EndpointTable) -> EndpointTable | None:
    """The present table, with those endpoints of a snapshot that are about to get their first version; None if there
    are none. It is served while they load, so that callers hear that, and not that nothing is deployed."""
    known = present.endpoints
    idle = {name for name, endpoint in known.items() if not endpoint.line and not endpoint.loading}
    coming = [spec for spec in snapshot.endpoints if spec.weights and (spec.name in idle or spec.name not in known)]
    if not coming:
        return None
    return EndpointTable(present.generation, {**known, **{spec.name: _endpoint(spec, {}) for spec in coming}})


def is_loaded(spec: SnapshotEndpoint, loaded: Mapping[str, LoadedVersion]) -> bool:
    """Whether every version that an endpoint's requests go to is loaded."""
    return loaded.keys() >= {*dict(spec.weights), *spec.shadows}


def _endpoint(spec: SnapshotEndpoint, loaded: Mapping[str, LoadedVersion]) -> LoadedEndpoint:
    weights = {version: share for version, share in spec.weights if version in loaded}
    shadows = tuple(loaded[version] for version in spec.shadows if version in loaded)
    standby = [version for version in spec.standby if version in loaded]
    versions = {version: loaded[version] for version in (*weights, *standby)} | {each.id: each for each in shadows}
    line = hash_line(weights) if sum(weights.values()) > 0 else ()
    return LoadedEndpoint(
        name=spec.name,
        line=line,
        salt=spec.salt,
        unit=spec.unit,
        versions=versions,
        shadows=shadows,
        known_inputs=frozenset().union(*(version.known_inputs for version in versions.values())),
        options=spec.options,
        policies={key: _policy(spec, version) for key, version in versions.items()},
        loading=bool(spec.weights) and not line,
    )


def _policy(spec: SnapshotEndpoint, version: LoadedVersion) -> LogPolicy:
    return LogPolicy.of(spec.options, version.logged_names if spec.options.redact else (), spec.unit.entity)
