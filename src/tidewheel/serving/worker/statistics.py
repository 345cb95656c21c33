"""What Triton's clients ask as statistics: how many requests a version had, and where their time went.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md. The counts are those
of `metrics`, of all workers of the home together and since its counters were begun; only the last request is this
worker's own. A request's time is its model call and the rest: `queue` is all that is not the model. Mirrored requests
are left out. Pure.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from tidewheel.serving.worker import metrics
from tidewheel.serving.worker.counters import Key, sum_of
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.runtime import LoadedVersion

_ARMS = ("live", "direct")


class Duration(msgspec.Struct, frozen=True):
    """How often something was done, and how many nanoseconds it took in all."""

    count: int = 0
    ns: int = 0


class InferenceStatistics(msgspec.Struct, frozen=True):
    """Requests by how they ended; and of those answered, where their time went."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration = Duration()
    cache_miss: Duration = Duration()


class BatchStatistics(msgspec.Struct, frozen=True):
    """Model calls of one size."""

    batch_size: int
    compute_infer: Duration


class VersionStatistics(msgspec.Struct, frozen=True):
    """One version of an endpoint."""

    name: str
    version: str
    last_inference: int
    """When this worker last had a request for it, in milliseconds since 1970; 0 = never."""
    inference_count: int
    """Rows that were computed."""
    execution_count: int
    """Model calls."""
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics]
    """Empty: /metrics has the sizes of model calls, as a histogram."""


class Statistics(msgspec.Struct, frozen=True):
    """The answer to `GET /v2/models/{name}/stats`."""

    model_stats: list[VersionStatistics]


def statistics_of(endpoint: LoadedEndpoint, version: LoadedVersion, counted: Mapping[Key, float]) -> VersionStatistics:
    """What is known of the requests to one version of an endpoint."""
    labels = {"endpoint": endpoint.name, "version": version.id}
    answered = _requests(counted, labels, "200")
    failed = _requests(counted, labels, None) - answered
    failed_s, all_s = (_seconds(counted, name, labels) for name in (metrics.FAILED_SECONDS, f"{metrics.LATENCY}_sum"))
    model_s = min(sum_of(counted, metrics.MODEL_REQUEST_SECONDS, **labels), all_s - failed_s)
    return VersionStatistics(
        name=endpoint.name,
        version=version.number,
        last_inference=_last_ms(version) if answered or failed else 0,
        inference_count=round(sum_of(counted, f"{metrics.BATCH_ROWS}_sum", **labels)),
        execution_count=round(sum_of(counted, metrics.BATCH_ROWS, **labels)),
        inference_stats=InferenceStatistics(
            success=_duration(answered, all_s - failed_s),
            fail=_duration(failed, failed_s),
            queue=_duration(answered, all_s - failed_s - model_s),
            compute_input=_duration(answered, 0.0),
            compute_infer=_duration(answered, model_s),
            compute_output=_duration(answered, 0.0),
        ),
        batch_stats=[],
    )


def _requests(counted: Mapping[Key, float], labels: dict[str, str], status: str | None) -> int:
    wanted = labels if status is None else labels | {"status": status}
    return round(sum(sum_of(counted, metrics.REQUESTS, arm=arm, **wanted) for arm in _ARMS))


def _seconds(counted: Mapping[Key, float], name: str, labels: dict[str, str]) -> float:
    return sum(sum_of(counted, name, arm=arm, **labels) for arm in _ARMS)


def _duration(count: int, seconds: float) -> Duration:
    return Duration(count, max(0, round(seconds * 1e9)))


def _last_ms(version: LoadedVersion) -> int:
    ago_s = time.monotonic() - version.used_at
    return round((time.time() - ago_s) * 1e3) if version.used_at else 0
