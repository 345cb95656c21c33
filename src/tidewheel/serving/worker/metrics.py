"""What a worker counts, and the Prometheus text that tells it for all workers of the home.

`Series` is on the hot path: its cells are looked up once. https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from pathlib import Path

from tidewheel.serving.worker.counters import CounterFile, Key, Labels, group_by_name, labels_without, read_counters

REQUESTS = "tidewheel_serving_requests_total"
PREDICTIONS = "tidewheel_serving_predictions_total"
LABELS = "tidewheel_serving_labels_total"
LATENCY = "tidewheel_serving_latency_seconds"
BATCH_ROWS = "tidewheel_serving_batch_rows"
MODEL_SECONDS = "tidewheel_serving_model_seconds_total"
MODEL_REQUEST_SECONDS = "tidewheel_serving_model_request_seconds_total"
FAILED_SECONDS = "tidewheel_serving_failed_seconds_total"
WAITING = "tidewheel_serving_waiting"
HELD_BYTES = "tidewheel_serving_held_bytes"
SHED = "tidewheel_serving_shed_total"
ANSWERS = "tidewheel_serving_http_answers_total"
DROPPED = "tidewheel_serving_shadow_dropped_total"
MODEL_MEMORY = "tidewheel_serving_model_memory_bytes"
LOADS = "tidewheel_serving_model_loads_total"
UNLOADS = "tidewheel_serving_model_unloads_total"
IN_FLIGHT = "tidewheel_serving_in_flight"
CONNECTIONS = "tidewheel_serving_connections"
GENERATION = "tidewheel_serving_generation"
CPU = "tidewheel_serving_process_cpu_seconds_total"
UTILISATION = "tidewheel_serving_utilisation"
WORKERS = "tidewheel_serving_workers"
WANTED_WORKERS = "tidewheel_serving_wanted_workers"
BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0)
BOUNDS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_FAMILIES = {
    REQUESTS: ("counter", "Inference requests by endpoint, version, arm and status."),
    PREDICTIONS: ("counter", "Rows in the prediction log, by endpoint, version and arm."),
    LABELS: ("counter", "Labels in the prediction log."),
    LATENCY: ("histogram", "Time from a parsed request to its answer, in seconds."),
    BATCH_ROWS: ("histogram", "Rows of one model call, by endpoint and version."),
    MODEL_SECONDS: ("counter", "Time that model calls have taken, by endpoint and version."),
    MODEL_REQUEST_SECONDS: ("counter", "The same, counted for each request of a call."),
    FAILED_SECONDS: ("counter", "The part of the latencies' sum that requests without an answer have taken."),
    WAITING: ("gauge", "Inference requests that wait for a model or are with it, by worker."),
    HELD_BYTES: ("gauge", "Bytes of requests that are read or have no answer yet, by worker."),
    SHED: ("counter", "Requests refused because a worker held as many bytes as it may, by worker."),
    ANSWERS: ("counter", "HTTP answers of any kind, by status."),
    DROPPED: ("counter", "Mirrored requests that were not computed because shadows were behind."),
    MODEL_MEMORY: ("gauge", "What the models in memory take, by worker."),
    LOADS: ("counter", "Models brought back into memory, by worker."),
    UNLOADS: ("counter", "Models sent out of memory by budget, idleness or an operator, by worker."),
    IN_FLIGHT: ("gauge", "Requests being answered, by worker."),
    CONNECTIONS: ("gauge", "Open connections, by worker."),
    GENERATION: ("gauge", "The generation of routes that a worker runs."),
    CPU: ("counter", "Processor time used, by worker."),
    UTILISATION: ("gauge", "CPU seconds per second, by worker: what autoscaling aims at."),
    WORKERS: ("gauge", "Workers that run."),
    WANTED_WORKERS: ("gauge", "Workers that the load wants, within the settings."),
    "tidewheel_serving_uncounted_total": ("counter", "Counts of series beyond a worker's room for them."),
}


class Series:
    """The counts of one endpoint, version and arm."""

    __slots__ = ("_buckets", "_cells", "_failed", "_file", "_labels", "_predictions", "_statuses", "_sum")

    def __init__(self, file: CounterFile, endpoint: str, version: str, arm: str) -> None:
        labels = (("endpoint", endpoint), ("version", version), ("arm", arm))
        self._file = file
        self._cells = file.cells
        self._labels = labels
        self._buckets = [file.cell(LATENCY, (*labels, ("le", bound))) for bound in _BOUND_TEXTS[LATENCY]]
        self._sum = file.cell(f"{LATENCY}_sum", labels)
        self._failed = file.cell(FAILED_SECONDS, labels)
        self._predictions = file.cell(PREDICTIONS, labels)
        self._statuses: dict[int, int] = {}

    def observe(self, status: int, latency_s: float, rows: int) -> None:
        """Count a request: its status, how long it took, and how many rows of it were logged."""
        cells = self._cells
        place = self._statuses.get(status)
        if place is None:
            labels = (*self._labels, ("status", str(status)))
            place = self._statuses[status] = self._file.cell(REQUESTS, labels)
        cells[place] += 1.0
        cells[self._buckets[bisect_left(BOUNDS_S, latency_s)]] += 1.0
        cells[self._sum] += latency_s
        cells[self._predictions] += rows
        if status >= 400:
            cells[self._failed] += latency_s


class BatchSizes:
    """How many rows the model calls of one endpoint and version have had, and how long they took."""

    __slots__ = ("_buckets", "_cells", "_request_seconds", "_seconds", "_sum")

    def __init__(self, file: CounterFile, endpoint: str, version: str) -> None:
        labels = (("endpoint", endpoint), ("version", version))
        self._cells = file.cells
        self._buckets = [file.cell(BATCH_ROWS, (*labels, ("le", bound))) for bound in _BOUND_TEXTS[BATCH_ROWS]]
        self._sum = file.cell(f"{BATCH_ROWS}_sum", labels)
        self._seconds = file.cell(MODEL_SECONDS, labels)
        self._request_seconds = file.cell(MODEL_REQUEST_SECONDS, labels)

    def observe(self, rows: int, took_s: float, requests: int) -> None:
        """Count a model call."""
        cells = self._cells
        cells[self._buckets[bisect_left(BATCH_BOUNDS, rows)]] += 1.0
        cells[self._sum] += rows
        cells[self._seconds] += took_s
        cells[self._request_seconds] += took_s * requests


class Meters:
    """All counts of one worker."""

    def __init__(self, folder: Path, index: int) -> None:
        self._folder = folder
        self._worker = (("worker", str(index)),)
        self._file = CounterFile(folder / f"{index}.counters")
        self._series: dict[tuple[str, str, str], Series] = {}
        self._batches: dict[tuple[str, str], BatchSizes] = {}
        self._answers: dict[int, int] = {}
        self._labels = self._file.cell(LABELS)

    def series(self, endpoint: str, version: str, arm: str) -> Series:
        """The series of an endpoint, version and arm."""
        key = (endpoint, version, arm)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series(self._file, endpoint, version, arm)
        return series

    def count_batch(self, endpoint: str, version: str, rows: int, took_s: float, requests: int) -> None:
        """Count a model call: its rows, how long it took, and how many requests were in it."""
        key = (endpoint, version)
        sizes = self._batches.get(key)
        if sizes is None:
            sizes = self._batches[key] = BatchSizes(self._file, endpoint, version)
        sizes.observe(rows, took_s, requests)

    def count_loading(self, into_memory: bool) -> None:
        """Count a model that came back into memory, or was sent away."""
        name = LOADS if into_memory else UNLOADS
        self._file.cells[self._file.cell(name, self._worker)] += 1.0

    def count_answer(self, status: int) -> None:
        """Count an HTTP answer."""
        place = self._answers.get(status)
        if place is None:
            place = self._answers[status] = self._file.cell(ANSWERS, (("status", str(status)),))
        self._file.cells[place] += 1.0

    def count_shed(self) -> None:
        """Count a request that was refused for the bytes that the worker holds."""
        self._file.cells[self._file.cell(SHED, self._worker)] += 1.0

    def count_labels(self, number: int) -> None:
        """Count labels that have been logged."""
        self._file.cells[self._labels] += number

    def count_dropped(self, endpoint: str) -> None:
        """Count a mirrored request that was dropped."""
        self._file.cells[self._file.cell(DROPPED, (("endpoint", endpoint),))] += 1.0

    def gauge(self, name: str, value: float) -> None:
        """Set a figure of this worker."""
        self._file.cells[self._file.cell(name, self._worker)] = value

    def note_cpu(self) -> None:
        """Write down the processor time used so far."""
        self.gauge(CPU, time.process_time())

    def counted(self) -> dict[Key, float]:
        """Every count, summed over all workers' files."""
        return read_counters(self._folder)

    def exposition(self) -> bytes:
        """The Prometheus text over all workers' files."""
        groups = group_by_name(self.counted())
        lines: list[str] = []
        for name, (kind, effect) in _FAMILIES.items():
            if name in groups:
                lines += [f"# HELP {name} {effect}", f"# TYPE {name} {kind}"]
                lines += _histogram(name, groups) if kind == "histogram" else _samples(name, groups[name])
        return ("\n".join(lines) + "\n").encode()


def _samples(name: str, cells: list[tuple[Labels, float]]) -> list[str]:
    return [f"{name}{_text(labels)} {_number(value)}" for labels, value in cells]


def _histogram(name: str, groups: dict[str, list[tuple[Labels, float]]]) -> list[str]:
    """Buckets made cumulative, then sum and count, for each set of labels."""
    by_labels: dict[Labels, dict[str, float]] = {}
    for labels, value in groups[name]:
        by_labels.setdefault(labels_without(labels, "le"), {})[dict(labels)["le"]] = value
    sums = dict(groups.get(f"{name}_sum", []))
    lines = []
    for labels, counts in by_labels.items():
        total = 0.0
        for bound in _BOUND_TEXTS[name]:
            total += counts.get(bound, 0.0)
            lines.append(f"{name}_bucket{_text((*labels, ('le', bound)))} {_number(total)}")
        lines.append(f"{name}_sum{_text(labels)} {sums.get(labels, 0.0)!r}")
        lines.append(f"{name}_count{_text(labels)} {_number(total)}")
    return lines


def _text(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


_BOUND_TEXTS = {
    name: (*(f"{bound:g}" for bound in bounds), "+Inf")
    for name, bounds in ((LATENCY, BOUNDS_S), (BATCH_ROWS, BATCH_BOUNDS))
}
