"""Every endpoint in a line: who answers it, how often it was asked, and how far its rollout has come.

For the live page, where there are several, and in part for an endpoint's own. Reads, decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.server.pages.figures import opening
from tidewheel.server.pages.traffic import arms_of
from tidewheel.server.pages.view import EndpointLine, RolloutLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.app import Platform
    from tidewheel.rollout import Rollout
    from tidewheel.server.pages.version_names import VersionNames

_ROLLOUTS = 200


def endpoint_lines(platform: Platform, names: VersionNames) -> tuple[EndpointLine, ...]:
    """All endpoints, by name."""
    endpoints = platform.serving.endpoints()
    if not endpoints:
        return ()
    asked = platform.serving.status().by_endpoint
    running = {each.endpoint: each for each in platform.rollout.ls(limit=_ROLLOUTS) if each.running}
    return tuple(
        EndpointLine(
            name=endpoint.name,
            arms=arms_of(endpoint.route, running.get(endpoint.name), names),
            requests=round(asked.get(endpoint.name, 0.0)),
            rollout=rollout_line(running[endpoint.name], names) if endpoint.name in running else None,
        )
        for endpoint in endpoints
    )


def busiest(lines: Sequence[EndpointLine]) -> str | None:
    """The endpoint that a page without a loop tells most of: one with a rollout, else the one that is asked most."""
    return (
        max(lines, key=lambda line: (line.rollout is not None, bool(line.arms), line.requests)).name if lines else None
    )


def rollout_line(rollout: Rollout, names: VersionNames) -> RolloutLine:
    """One rollout."""
    return RolloutLine(
        id=rollout.id,
        title=opening(f"{names(rollout.candidate_version)} against {names(rollout.champion_version)}"),
        stage=rollout.plan.stage_name(rollout.stage) if rollout.running else rollout.state.replace("_", " "),
        plan=rollout.plan.describe(),
        running=rollout.running,
        reason=rollout.reason,
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
    )
