"""`/endpoints/NAME`: who answers one endpoint and how, what was rolled out on it, and the commands that change it.

Reads, decides nothing, changes nothing: a change is made by the commands that it shows, or through the API.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from tidewheel.server.pages.endpoint_counts import Counts, live_counts, version_counts
from tidewheel.server.pages.endpoint_lines import rollout_line
from tidewheel.server.pages.latency import latency_quantile_ms
from tidewheel.server.pages.traffic import arms_of, requests_per_s, told_option
from tidewheel.server.pages.version_names import VersionNames
from tidewheel.server.pages.view import ArmView, RolloutLine
from tidewheel.serving import EndpointOptions
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.watching import reported_failures
from tidewheel.serving.worker.counters import Key, read_counters

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.server.pages.recorder import Recorder
    from tidewheel.serving import Route

_ROLLOUTS = 20
_ROUTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringVersion:
    """A version of the route: what it counts, and why a worker could not load it, if that is so."""

    arm: ArmView
    counts: Counts
    trouble: str


@dataclass(frozen=True, slots=True)
class OptionLine:
    """An option in words and with its unit; `changed` if somebody set it to something else than the default."""

    name: str
    value: str
    changed: bool


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route that an endpoint had: since when, and how its traffic was shared."""

    at: datetime
    shared: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command to type, and what it does."""

    purpose: str
    typed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """The whole page."""

    name: str
    created_at: datetime
    loop: str
    versions: tuple[AnsweringVersion, ...]
    counts: Counts
    requests_per_s: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    unit: str
    options: tuple[OptionLine, ...]
    rollouts: tuple[RolloutLine, ...]
    routes: tuple[RouteLine, ...]
    commands: tuple[CommandLine, ...]


def endpoint_view(platform: Platform, recorder: Recorder, name: str) -> EndpointView:
    """One endpoint.

    Raises:
        NotFound: if there is no such endpoint.
    """
    found, names = platform.serving.endpoint(name), VersionNames(platform)
    rollouts = platform.rollout.ls(name, limit=_ROLLOUTS)
    running = next((each for each in rollouts if each.running), None)
    arms, points = arms_of(found.route, running, names), recorder.traffic(name)
    folder = ServingFolder(platform.home)
    counters = read_counters(folder.counters)
    return EndpointView(
        name=name,
        created_at=found.created_at,
        loop=next((each.name for each in platform.loop.ls() if each.endpoint == name), ""),
        versions=_versions(folder, counters, name, arms),
        counts=live_counts(counters, name),
        requests_per_s=requests_per_s(points),
        latency_p50_ms=latency_quantile_ms(points, 0.5),
        latency_p99_ms=latency_quantile_ms(points, 0.99),
        unit=_unit(found.route),
        options=_options(found.options),
        rollouts=tuple(rollout_line(each, names) for each in rollouts),
        routes=tuple(_route(route, names) for route in platform.serving.history(name, _ROUTES)),
        commands=_commands(name, arms, running is not None),
    )


def _versions(
    folder: ServingFolder, counters: dict[Key, float], name: str, arms: tuple[ArmView, ...]
) -> tuple[AnsweringVersion, ...]:
    failures = reported_failures(folder)
    return tuple(
        AnsweringVersion(
            arm=arm,
            counts=version_counts(counters, name, arm.version_id, shadow=arm.shadow),
            trouble=failures.get(arm.version_id, ""),
        )
        for arm in arms
    )


def _unit(route: Route) -> str:
    """What keeps to one version."""
    if route.unit.switchback:
        return f"each {route.unit.entity}, for {route.unit.window_s:g} s at a time"
    return "each caller's key"


def _options(options: EndpointOptions) -> tuple[OptionLine, ...]:
    defaults = EndpointOptions()
    values = [(field.name, getattr(options, field.name), getattr(defaults, field.name)) for field in fields(options)]
    return tuple(OptionLine(*told_option(name, value), value != default) for name, value, default in values)


def _route(route: Route, names: VersionNames) -> RouteLine:
    shares = [f"{names(each)} {share:g}\N{NO-BREAK SPACE}%" for each, share in reversed(route.weights.items()) if share]
    shadows = [f"{names(each)} in shadow" for each in route.shadows]
    return RouteLine(route.at, ", ".join([*shares, *shadows]) or "nobody")


def _commands(name: str, arms: tuple[ArmView, ...], walking: bool) -> tuple[CommandLine, ...]:
    """What is typed to change this endpoint, with names that fit it."""
    champion = next((arm.address for arm in arms if arm.role == "champion" and arm.address), "")
    model = champion.rpartition("/")[0] or "MODEL"
    back = "End the rollout; the champion answers all" if walking else "Give it back to the champion before"
    return (
        CommandLine("Bring another version to it, in steps", f"tidewheel deploy {model}/NUMBER --endpoint {name}"),
        CommandLine(back, f"tidewheel rollback {name}"),
        CommandLine(
            "Share its traffic by hand", f"tidewheel endpoints route {name} --to {champion or f'{model}/NUMBER'}=100"
        ),
        CommandLine("Change how it is served", f"tidewheel endpoints configure {name} --timeout-ms 200"),
        CommandLine("Its route and the routes before", f"tidewheel endpoints show {name}"),
        CommandLine("Take it away", f"tidewheel endpoints delete {name}"),
    )
