"""Who answers an endpoint's requests, how many there are, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING

from tidewheel.server.pages.latency import latency_quantile_ms
from tidewheel.server.pages.view import ArmRole, ArmView, Chart, Curve, TrafficView
from tidewheel.serving import EndpointOptions

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.rollout import Rollout
    from tidewheel.server.pages.recorder import Recorder, TrafficPoint
    from tidewheel.serving import Route

_RATE_OVER_S = 5.0
_UNITS = ("ms", "s")


def traffic_view(
    platform: Platform, endpoint: str, rollout: Rollout | None, recorder: Recorder, name: Callable[[str], str]
) -> TrafficView:
    """The traffic of one endpoint."""
    status, points = platform.serving.status(), recorder.traffic(endpoint)
    return TrafficView(
        endpoint=endpoint,
        arms=_arms(platform.serving.route(endpoint), rollout, name),
        requests=round(status.requests),
        requests_per_s=_rate(points),
        latency_p50_ms=latency_quantile_ms(points, 0.5),
        latency_p99_ms=latency_quantile_ms(points, 0.99),
        errors=round(status.failed),
        chart=_chart(points),
        options=_options(platform.serving.endpoint(endpoint).options),
    )


def _arms(route: Route | None, rollout: Rollout | None, name: Callable[[str], str]) -> tuple[ArmView, ...]:
    """The versions of a route: the champion first, newcomers after it, shadows last."""
    if route is None:
        return ()
    champion = rollout.champion_version if rollout and rollout.running else route.champion
    candidate = rollout.candidate_version if rollout and rollout.running else None
    shares = sorted(route.weights.items(), key=lambda item: (item[0] != champion, -item[1]))

    def role(version_id: str) -> ArmRole:
        return "champion" if version_id == champion else "candidate" if version_id == candidate else "other"

    live = [
        ArmView(version_id=each, label=name(each), role=role(each), percent=percent)
        for each, percent in shares
        if percent > 0
    ]
    hidden = [
        ArmView(version_id=each, label=name(each), role=role(each), percent=0.0, shadow=True) for each in route.shadows
    ]
    return (*live, *hidden)


def _options(options: EndpointOptions) -> tuple[tuple[str, str], ...]:
    """The options that differ from the defaults, by name; what nobody has set is not worth a line."""
    defaults = EndpointOptions()
    names = [field.name for field in fields(options)]
    changed = [(name, getattr(options, name)) for name in names if getattr(options, name) != getattr(defaults, name)]
    return tuple(_told(name, value) for name, value in changed)


def _told(name: str, value: float | tuple[str, ...]) -> tuple[str, str]:
    """An option's name in words and its value, with the unit that its name ends in."""
    if isinstance(value, tuple):
        return name, ", ".join(value)
    if isinstance(value, bool):
        return name, "yes" if value else "no"
    words, _, last = name.rpartition("_")
    if last in _UNITS:
        return words.replace("_", " "), f"{value:g} {last}"
    return name.replace("_", " "), f"{value:g}"


def _rate(points: Sequence[TrafficPoint]) -> float | None:
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
