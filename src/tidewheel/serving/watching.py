"""What the control side sees of the workers: their reports, whether they live, their counts. It reads files, and
removes what workers that are no longer wanted have said.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

from tidewheel.base.errors import Corrupt
from tidewheel.serving.records import ServingStatus, WorkerStatus
from tidewheel.serving.snapshot import ServingFolder, read_report, read_scaling, read_snapshot
from tidewheel.serving.worker import metrics
from tidewheel.serving.worker.counters import Key, read_counters, sum_of


def serving_status(folder: ServingFolder) -> ServingStatus:
    """All workers of a home and what they have counted together."""
    counters = read_counters(folder.counters)
    workers = list(_workers(folder, counters))
    live = [worker for worker in workers if worker.alive]
    try:
        snapshot = read_snapshot(folder.snapshot)
    except Corrupt:
        snapshot = None
    generation = snapshot.generation if snapshot else 0
    scaling = read_scaling(folder.scaling)
    names = sorted({dict(labels)["endpoint"] for name, labels in counters if name == metrics.REQUESTS})
    return ServingStatus(
        generation=generation,
        applied=bool(live) and all(worker.generation >= generation for worker in live),
        workers=workers,
        requests=_live_requests(counters),
        failed=_live_requests(counters, status="500") + _live_requests(counters, status="503"),
        predictions=sum_of(counters, metrics.PREDICTIONS),
        labels=sum_of(counters, metrics.LABELS),
        cpu_s=sum_of(counters, metrics.CPU),
        by_endpoint={name: _live_requests(counters, endpoint=name) for name in names},
        wanted_workers=scaling.workers if scaling else 0,
        most_workers=scaling.most if scaling else 0,
        scaled=scaling.reason if scaling else "",
        scaled_at=scaling.at if scaling else "",
    )


def live_generations(folder: ServingFolder) -> list[int]:
    """The generation that each live worker runs."""
    reports = [(int(path.stem), read_report(path)) for path in folder.workers.glob("*.json")]
    return [report.generation for index, report in reports if report is not None and _is_held(folder, index)]


def reported_failures(folder: ServingFolder) -> dict[str, str]:
    """Per version, why a worker could not load it."""
    failures: dict[str, str] = {}
    for path in folder.workers.glob("*.json"):
        report = read_report(path)
        if report is not None:
            failures |= report.failures
    return failures


def forget_workers(folder: ServingFolder, least_index: int) -> None:
    """Remove the reports of workers from an index on that live no more: they are not missed."""
    for path in folder.workers.glob("*.json"):
        if int(path.stem) >= least_index and not _is_held(folder, int(path.stem)):
            path.unlink(missing_ok=True)


def _workers(folder: ServingFolder, counters: dict[Key, float]) -> Iterator[WorkerStatus]:
    for path in sorted(folder.workers.glob("*.json"), key=lambda path: int(path.stem)):
        report = read_report(path)
        if report is None:
            continue
        index = int(path.stem)
        yield WorkerStatus(
            index=index,
            pid=report.pid,
            alive=_is_held(folder, index),
            state=report.state,
            generation=report.generation,
            failures=report.failures,
            started_at=report.started_at,
            cpu_s=sum_of(counters, metrics.CPU, worker=str(index)),
        )


def _is_held(folder: ServingFolder, index: int) -> bool:
    """Whether a process holds the worker's lock: a dead one cannot."""
    try:
        with (folder.workers / f"{index}.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _live_requests(counters: dict[Key, float], **labels: str) -> float:
    return sum_of(counters, metrics.REQUESTS, arm="live", **labels)
