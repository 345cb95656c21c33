"""`/metrics` of the control plane in the Prometheus text format (version 0.0.4): the process, its HTTP requests, the
journal, the prediction log, loops, rollouts and alerts. The figures are read when asked for; nothing is counted in the
background.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tidewheel.server.limits import Traffic
from tidewheel.storage import journal

if TYPE_CHECKING:
    from tidewheel.app import Platform

_STARTED_AT_S = time.time()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its samples are (labels, value)."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[dict[str, str], float], ...]


def exposition(platform: Platform, traffic: Traffic) -> str:
    """The whole text of `/metrics`."""
    return "".join(
        _text(family)
        for family in (*_process(), *_http(traffic), *_journal(platform), *_log(platform), *_loops(platform))
    )


def _text(family: Family) -> str:
    lines = [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
    for labels, value in family.samples:
        inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        lines.append(f"{family.name}{'{' + inside + '}' if inside else ''} {value:.17g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _one(name: str, kind: str, help_text: str, value: float) -> Family:
    return Family(name, kind, help_text, (({}, value),))


def _process() -> Iterator[Family]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    yield _one("process_cpu_seconds_total", "counter", "CPU time of this process.", usage.ru_utime + usage.ru_stime)
    yield _one("process_max_resident_memory_bytes", "gauge", "Largest resident memory.", usage.ru_maxrss * unit)
    yield _one("process_start_time_seconds", "gauge", "When the process started, since 1970.", _STARTED_AT_S)
    yield _one("process_open_fds", "gauge", "Open file descriptors.", _open_files())


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    except OSError:
        return -1


def _http(traffic: Traffic) -> Iterator[Family]:
    counts = sorted(traffic.requests.items())
    samples = tuple(({"method": method, "status": str(status)}, float(count)) for (method, status), count in counts)
    yield Family("tidewheel_server_requests_total", "counter", "Requests answered by the control plane.", samples)
    yield _one(
        "tidewheel_server_request_seconds_total", "counter", "Time spent answering, all requests.", traffic.seconds
    )


def _journal(platform: Platform) -> Iterator[Family]:
    with platform.metadata.read() as connection:
        seq = connection.execute(sa.select(sa.func.max(journal.entries.c.seq))).scalar() or 0
    yield _one("tidewheel_journal_seq", "gauge", "Number of the last journal entry.", seq)


def _log(platform: Platform) -> Iterator[Family]:
    size = platform.predictions.size()
    parts = (({"part": "segments"}, float(size.segments_bytes)), ({"part": "index"}, float(size.index_bytes)))
    yield Family("tidewheel_storage_log_bytes", "gauge", "Disk that the prediction log takes in the home.", parts)
    yield _one("tidewheel_storage_log_budget_bytes", "gauge", "Budget of its segments; 0 = none.", size.budget_bytes)
    yield _one("tidewheel_storage_log_free_bytes", "gauge", "Disk that is free beside it.", size.free_bytes)


def _loops(platform: Platform) -> Iterator[Family]:
    loops = tuple(({"loop": each.name, "state": each.state}, 1.0) for each in platform.loop.ls())
    yield Family("tidewheel_loop_state", "gauge", "1 for the state that a loop is in.", loops)
    running = [rollout for rollout in platform.rollout.ls(limit=100) if rollout.running]
    shares = tuple(
        ({"endpoint": each.endpoint, "version": each.candidate_version}, each.plan.share(each.stage))
        for each in running
    )
    yield Family("tidewheel_rollout_candidate_percent", "gauge", "A candidate's share of live traffic.", shares)
    readings = platform.monitoring.report()
    labels = [{"endpoint": each.endpoint, "monitor": each.monitor} for each in readings]
    evidence = tuple((label, each.log_evidence) for label, each in zip(labels, readings, strict=True))
    threshold = tuple((label, each.log_threshold) for label, each in zip(labels, readings, strict=True))
    yield Family("tidewheel_monitoring_evidence_nats", "gauge", "A monitor's evidence.", evidence)
    yield Family("tidewheel_monitoring_threshold_nats", "gauge", "Where a monitor fires.", threshold)
    yield _one("tidewheel_monitoring_open_alerts", "gauge", "Alerts that are open.", _open_alerts(platform))


def _open_alerts(platform: Platform) -> int:
    return sum(alert.state == "open" for alert in platform.monitoring.alerts(limit=1000))
