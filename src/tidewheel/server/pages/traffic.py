"""Who answers an endpoint's requests, how many there are, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING

from tidewheel.server.pages.endpoint_counts import live_counts
from tidewheel.server.pages.latency import latency_quantile_ms
from tidewheel.server.pages.view import ArmRole, ArmView, Chart, Curve, TrafficView
from tidewheel.serving import EndpointOptions
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker.counters import read_counters

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.rollout import Rollout
    from tidewheel.server.pages.recorder import Recorder, TrafficPoint
    from tidewheel.server.pages.version_names import VersionNames
    from tidewheel.serving import Route

_RATE_OVER_S = 5.0
_UNITS = ("ms", "s")


def traffic_view(
    platform: Platform, endpoint: str, rollout: Rollout | None, recorder: Recorder, names: VersionNames
) -> TrafficView:
    """The traffic of one endpoint."""
    found, points = platform.serving.endpoint(endpoint), recorder.traffic(endpoint)
    counts = live_counts(read_counters(ServingFolder(platform.home).counters), endpoint)
    return TrafficView(
        endpoint=endpoint,
        arms=arms_of(found.route, rollout, names),
        requests=counts.requests,
        requests_per_s=requests_per_s(points),
        latency_p50_ms=latency_quantile_ms(points, 0.5),
        latency_p99_ms=latency_quantile_ms(points, 0.99),
        errors=counts.failed,
        chart=_chart(points),
        options=changed_options(found.options),
    )


def arms_of(route: Route, rollout: Rollout | None, names: VersionNames) -> tuple[ArmView, ...]:
    """The versions of a route: the champion first, newcomers after it, shadows last."""
    champion = rollout.champion_version if rollout and rollout.running else route.champion
    candidate = rollout.candidate_version if rollout and rollout.running else None
    shares = sorted(route.weights.items(), key=lambda item: (item[0] != champion, -item[1]))

    def role(version_id: str) -> ArmRole:
        return "champion" if version_id == champion else "candidate" if version_id == candidate else "other"

    def arm(version_id: str, percent: float, shadow: bool = False) -> ArmView:
        address = names.address(version_id)
        return ArmView(
            version_id=version_id,
            label=names(version_id),
            role=role(version_id),
            percent=percent,
            shadow=shadow,
            address=str(address or ""),
        )

    live = [arm(each, percent) for each, percent in shares if percent > 0]
    return (*live, *(arm(each, 0.0, shadow=True) for each in route.shadows))


def changed_options(options: EndpointOptions) -> tuple[tuple[str, str], ...]:
    """The options that differ from the defaults, by name; what nobody has set is not worth a line."""
    defaults = EndpointOptions()
    names = [field.name for field in fields(options)]
    changed = [(name, getattr(options, name)) for name in names if getattr(options, name) != getattr(defaults, name)]
    return tuple(told_option(name, value) for name, value in changed)


def told_option(name: str, value: float | tuple[str, ...]) -> tuple[str, str]:
    """An option's name in words and its value, with the unit that its name ends in."""
    if isinstance(value, tuple):
        return name, ", ".join(value) or "nothing"
    if isinstance(value, bool):
        return name, "yes" if value else "no"
    words, _, last = name.rpartition("_")
    if last in _UNITS:
        return words.replace("_", " "), f"{value:g} {last}"
    return name.replace("_", " "), f"{value:g}"


def requests_per_s(points: Sequence[TrafficPoint]) -> float | None:
    """Requests per second over the last few seconds."""
    recent = [point for point in points if points[-1].at_s - point.at_s <= _RATE_OVER_S]
    if len(recent) < 2:
        return None
    return max(0.0, (recent[-1].requests - recent[0].requests) / (recent[-1].at_s - recent[0].at_s))


def _chart(points: Sequence[TrafficPoint]) -> Chart | None:
    rates = [
        (after.at_s, max(0.0, (after.requests - before.requests) / (after.at_s - before.at_s)))
        for before, after in pairwise(points)
        if after.at_s > before.at_s
    ]
    if not rates:
        return None
    curve = Curve("requests per second", tuple(round(rate, 1) for _, rate in rates))
    return Chart(id="traffic", x=tuple(round(at_s, 1) for at_s, _ in rates), curves=(curve,), x_is_time=True)
