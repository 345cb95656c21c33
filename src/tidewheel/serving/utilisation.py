"""What the workers of a home are busy with, read from their counters; and that signal, exported beside them.

Called by whoever supervises workers, once a second. The figures go into a counter file of the supervisor's own, so one
scrape of any worker tells them too: `tidewheel_serving_utilisation` is what a Kubernetes autoscaler is to aim at.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidewheel.serving.scaling import Load
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker import metrics
from tidewheel.serving.worker.counters import CounterFile, Key, read_counters, sum_of

_FILE = "supervisor.counters"


class Utilisation:
    """Looks at the workers' counters, and remembers the look before."""

    def __init__(self, folder: ServingFolder) -> None:
        self._folder = folder
        self._file = CounterFile(folder.counters / _FILE)
        self._before: dict[int, tuple[int, float]] = {}
        self._at_s = 0.0

    def measure(self, at_s: float, pids: Mapping[int, int]) -> Load:
        """The load of the workers of these process ids, by index, since the last call; written down for scrapes.

        A worker that is new to us has shown nothing yet: its count of CPU seconds may be that of the one before it.
        """
        counters = read_counters(self._folder.counters)
        passed_s, self._at_s = at_s - self._at_s, at_s
        cores, seen = 0.0, {}
        for index, pid in pids.items():
            cpu_s = _gauge(counters, metrics.CPU, index)
            known = self._before.get(index)
            used_s = cpu_s - known[1] if known is not None and known[0] == pid and cpu_s >= known[1] else 0.0
            seen[index] = (pid, cpu_s)
            self._write(metrics.UTILISATION, used_s / passed_s, index)
            cores += used_s / passed_s
        self._before = seen
        return Load(at_s, cores, sum(_gauge(counters, metrics.WAITING, index) for index in pids))

    def tell(self, workers: int, wanted: int) -> None:
        """Write down how many workers run, and how many shall."""
        self._write(metrics.WORKERS, float(workers))
        self._write(metrics.WANTED_WORKERS, float(wanted))

    def forget(self, index: int) -> None:
        """Set what a worker that has ended for good was last seen with to nothing; its counts stay."""
        self._write(metrics.UTILISATION, 0.0, index)
        theirs = CounterFile(self._folder.counters / f"{index}.counters")
        for name in (metrics.IN_FLIGHT, metrics.WAITING, metrics.CONNECTIONS, metrics.MODEL_MEMORY):
            theirs.cells[theirs.cell(name, _labels(index))] = 0.0

    def _write(self, name: str, value: float, index: int | None = None) -> None:
        self._file.cells[self._file.cell(name, () if index is None else _labels(index))] = value


def _labels(index: int) -> tuple[tuple[str, str], ...]:
    return (("worker", str(index)),)


def _gauge(counters: dict[Key, float], name: str, index: int) -> float:
    return sum_of(counters, name, worker=str(index))
