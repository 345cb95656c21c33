"""A full page's worth of records: a competitor has launched, a candidate is on its way. For the page's own tests."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from tidewheel.server.pages.view import (
    ArmFigures,
    ArmView,
    Chart,
    ContestView,
    Curve,
    EventView,
    GuardrailView,
    LiveView,
    LoopView,
    MonitorView,
    ShiftView,
    StepView,
    TrafficView,
)

NOW = datetime(2026, 11, 25, 18, 42, 7, tzinfo=UTC)


def story(events: int = 40) -> LiveView:
    """The page in the middle of a rollout."""
    return LiveView(
        at=NOW,
        loops=("surge", "wait-time"),
        loop=LoopView(
            name="surge",
            endpoint="surge",
            sentence="Version 4 answers 25 % of the traffic; it is not yet proven no worse than version 3.",
            paused=False,
            since=NOW - timedelta(minutes=7),
            steps=tuple(
                StepView(name, state)
                for name, state in (
                    ("Watch", "done"),
                    ("Gather", "done"),
                    ("Train", "done"),
                    ("Judge", "done"),
                    ("Roll out", "now"),
                )
            ),
        ),
        traffic=TrafficView(
            endpoint="surge",
            arms=(
                ArmView(version_id="ver_3", label="version 3", role="champion", percent=75.0),
                ArmView(version_id="ver_4", label="version 4", role="candidate", percent=25.0),
                ArmView(version_id="ver_5", label="version 5", role="other", percent=0.0, shadow=True),
            ),
            requests=184_223,
            requests_per_s=412.0,
            latency_p50_ms=0.62,
            latency_p99_ms=2.9,
            errors=0,
            chart=Chart(
                id="traffic",
                x=tuple(NOW.timestamp() - 120 + i for i in range(120)),
                curves=(Curve("requests per second", tuple(400 + 40 * math.sin(i / 9) for i in range(120))),),
                x_is_time=True,
            ),
        ),
        contest=_contest(),
        monitors=_monitors(),
        shifts=(
            ShiftView(feature="accept_rate_1h", effect=-1.42, unit="sd", evidence=41.2),
            ShiftView(feature="requests_15m", effect=-0.63, unit="sd", evidence=12.9),
            ShiftView(feature="wait_1h", effect=0.21, unit="sd", evidence=1.1),
        ),
        timeline=_timeline(events),
        journal_seq=1_204,
    )


def _contest() -> ContestView:
    counts = [200.0 + 75 * i for i in range(60)]
    estimates = [0.031 + 0.02 * math.exp(-i / 15) * math.cos(i / 3) for i in range(60)]
    widths = [0.35 / math.sqrt(1 + i) for i in range(60)]
    low = tuple(e - w for e, w in zip(estimates, widths, strict=True))
    high = tuple(e + w for e, w in zip(estimates, widths, strict=True))
    return ContestView(
        rollout_id="rol_1",
        title="Version 4 against version 3, canary 25 %",
        goal="value per quote",
        running=True,
        verdict="The interval still reaches below the margin of −2 %.",
        estimate=estimates[-1],
        low=low[-1],
        high=high[-1],
        confidence=95.0,
        margin=0.02,
        arms=(
            ArmFigures(
                label="version 3",
                role="champion",
                mean=7.31,
                labelled=13_920,
                requests=41_020,
                errors=0,
                latency_p50_ms=0.61,
                latency_p99_ms=2.9,
            ),
            ArmFigures(
                label="version 4",
                role="candidate",
                mean=7.53,
                labelled=4_625,
                requests=13_668,
                errors=0,
                latency_p50_ms=0.64,
                latency_p99_ms=3.1,
            ),
        ),
        guardrails=(
            GuardrailView(name="error_rate", broken=False, sentence="The candidate fails in 0.00% of requests."),
            GuardrailView(name="latency_p99", broken=False, sentence="The candidate's p99 latency is 3.1 ms."),
        ),
        chart=Chart(
            id="contest",
            x=tuple(counts),
            curves=(Curve("difference", tuple(estimates), low, high),),
            x_is_time=False,
            unit="part",
            rule=-0.02,
            rule_label="the margin",
        ),
    )


def _monitors() -> tuple[MonitorView, ...]:
    at = tuple(NOW.timestamp() - 60 * (60 - i) for i in range(60))
    kinds = (
        ("concept: log loss", True, "Loss rose from 0.48 to 0.61 after 17:58.", lambda i: max(0.4, 0.35 * (i - 20))),
        ("prediction", True, "The mean of p_accept moved from 0.71 to 0.63.", lambda i: max(0.2, 0.3 * (i - 24))),
        (
            "data: 12 features",
            False,
            "3 of 12 features moved, none enough.",
            lambda i: 2 + math.sin(i / 4),
        ),
        ("skew", False, "Training and serving rows agree.", lambda i: 0.1),
        ("freshness", False, "The newest event is 40 s old.", lambda i: 0.6),
    )
    return tuple(
        MonitorView(
            name=name,
            state="alert" if firing else "quiet",
            firing=firing,
            summary=summary,
            evidence=curve(59),
            threshold=13.8,
            chart=Chart(id=name, x=at, curves=(Curve(name, tuple(curve(i) for i in range(60))),), x_is_time=True),
        )
        for name, firing, summary, curve in kinds
    )


def _timeline(events: int) -> tuple[EventView, ...]:
    told = [
        ("rollout", "Version 4 goes on to 25 % of the traffic", "", "rollout.rollout.advanced", True),
        ("rollout", "Version 4 answers 5 % of the traffic", "", "rollout.rollout.advanced", True),
        ("rollout", "Version 4 answers copies of requests, unseen", "", "rollout.rollout.started", True),
        ("model", "Version 4 passed 3 gates of 3", "good", "loop.turn.judged", True),
        ("model", "Version 4 of surge registered", "", "registry.version.registered", True),
        ("model", "Training fit_surge on 21,400 rows since 17:58", "", "pipelines.run.started", True),
        ("drift", "Concept drift: log loss rose from 0.48 to 0.61", "bad", "monitoring.alert.raised", True),
        ("data", "6,120 rows appended to rides (version 12)", "", "data.commit.appended", False),
        (
            "rollout",
            "Version 2 rolled back: at most −1.2 % value per quote",
            "bad",
            "rollout.rollout.ended",
            True,
        ),
        ("incident", "An inference worker was killed and started again", "bad", "supervisor.worker.restarted", False),
    ]
    facts = (
        ("difference", "+3.1 % (−1.5 % to +7.6 %)"),
        ("sure at every look", "95 %"),
        ("labelled", "4,625 and 13,920"),
        ("guardrails", "error_rate 0 of 4,625; p99 2.9 ms of 5.8 ms"),
        ("rule", "advance when at least 200 labelled and not proven worse"),
    )
    return tuple(
        EventView(
            seq=1_204 - 3 * i,
            id=f"evt_{i}",
            at=NOW - timedelta(minutes=6 * i, seconds=11 * i % 60),
            lane=lane,
            title=title,
            outcome=outcome,
            facts=facts if detailed else (),
            actor="loop:surge",
            kind=kind,
            cause_seq=1_204 - 3 * (i + 1) if detailed and i + 1 < events else None,
        )
        for i in range(events)
        for lane, title, outcome, kind, detailed in [told[i % len(told)]]
    )
