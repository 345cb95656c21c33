"""The Grafana dashboard, as data: rows of panels over the metrics that workers and control plane expose.

A panel is one question; its expressions use only names that `/metrics` has (a test holds that). Import the JSON as it
is: it asks for its Prometheus data source. The model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/
view-dashboard-json-model/. Called by `export_files.py`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_COLUMNS, _HEIGHT = 24, 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_MINE = 'endpoint=~"$endpoint"'
_LIVE = f'{_MINE}, arm="live"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One question: its title, its unit (Grafana's name), and (expression, legend) pairs."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8
    help: str = ""


def _rate(name: str, matchers: str) -> str:
    return f"rate({name}{{{matchers}}}[$__rate_interval])"


def _quantile(q: float) -> str:
    return f"histogram_quantile({q}, sum by (version, le) ({_rate('tidewheel_serving_latency_seconds_bucket', _LIVE)}))"


_REQUESTS = _rate("tidewheel_serving_requests_total", _LIVE)
_FAILED = _rate("tidewheel_serving_requests_total", f'{_LIVE}, status=~"5.."')
_BATCH_ROWS = _rate("tidewheel_serving_batch_rows_sum", _MINE)
_BATCHES = _rate("tidewheel_serving_batch_rows_count", _MINE)
PANELS: tuple[Panel, ...] = (
    Panel("Requests by version", "reqps", ((f"sum by (version) ({_REQUESTS})", "{{version}}"),)),
    Panel(
        "Failed requests by version",
        "percentunit",
        ((f"sum by (version) ({_FAILED}) / sum by (version) ({_REQUESTS})", "{{version}}"),),
        help="Status 500 and above, as a part of all requests.",
    ),
    Panel("Latency by version", "s", ((_quantile(0.5), "p50 {{version}}"), (_quantile(0.99), "p99 {{version}}"))),
    Panel(
        "Candidate's share of traffic",
        "percent",
        ((f"tidewheel_rollout_candidate_percent{{{_MINE}}}", "{{version}}"),),
        help="0 while it is in the shadow.",
    ),
    Panel(
        "Evidence of drift, threshold at 1",
        "none",
        (
            (
                f"tidewheel_monitoring_evidence_nats{{{_MINE}}} / tidewheel_monitoring_threshold_nats{{{_MINE}}}",
                "{{monitor}}",
            ),
        ),
        help="A monitor fires when its evidence reaches its threshold.",
    ),
    Panel("Loops", "none", (("tidewheel_loop_state", "{{loop}}: {{state}}"),), help="The state that each loop is in."),
    Panel("Open alerts", "none", (("tidewheel_monitoring_open_alerts", "open"),), kind="stat", width=6),
    Panel("Requests being answered", "none", (("sum(tidewheel_serving_in_flight)", "in flight"),), width=6),
    Panel(
        "Labels",
        "cps",
        (("sum(rate(tidewheel_serving_labels_total[$__rate_interval]))", "labels"),),
        width=6,
        help="Truths that came back, per second.",
    ),
    Panel(
        "Cores used by workers",
        "none",
        (("sum(rate(tidewheel_serving_process_cpu_seconds_total[$__rate_interval]))", "cores"),),
        width=6,
    ),
    Panel(
        "Rows of a model call",
        "none",
        ((f"sum by (version) ({_BATCH_ROWS}) / sum by (version) ({_BATCHES})", "{{version}}"),),
        help="What micro-batching puts together, on average.",
    ),
    Panel(
        "Requests that wait for a model",
        "none",
        (("sum(tidewheel_serving_waiting)", "waiting"),),
        help="In all queues of all workers, with those that are being computed.",
    ),
    Panel(
        "Bytes of requests that are held",
        "bytes",
        (("sum by (worker) (tidewheel_serving_held_bytes)", "worker {{worker}}"),),
        help="From the first byte of a body to its answer; beyond serving.queue_mb requests are answered 429.",
    ),
    Panel(
        "Memory of models",
        "bytes",
        (("sum by (worker) (tidewheel_serving_model_memory_bytes)", "worker {{worker}}"),),
        help="What is loaded now, by worker.",
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard in Grafana's JSON model."""
    return {
        "title": "Tidewheel",
        "uid": "tidewheel",
        "tags": ["tidewheel"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_data_source(), _endpoints()]},
        "panels": _placed(PANELS),
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """The panels from left to right, row by row."""
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + _HEIGHT
        place = {"x": x, "y": y, "w": panel.width, "h": _HEIGHT}
        placed.append(_panel(number, panel, place))
        x += panel.width
    return placed


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for index, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _data_source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _endpoints() -> dict[str, Any]:
    query = "label_values(tidewheel_serving_requests_total, endpoint)"
    return {
        "name": "endpoint",
        "label": "Endpoint",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "endpoints"},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }
