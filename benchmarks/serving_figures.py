"""What `bench_serving` keeps of a load: figures a server, workload and kind of load, one for each round."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass, field

from benchmarks.serving_load import Load

Found = dict[tuple[str, str, str], list["Figures"]]
"""Figures of each round, by (server, workload, kind of load)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server needed for one workload, in one round or in the median of several."""

    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float
    """Processor time of the server's whole process tree for one request."""
    client_busy: float

    @staticmethod
    def of(load: Load, cpu_s: float) -> Figures:
        """Of a load, and the processor time that it cost the server."""
        busy = load.client_cpu_s / load.took_s
        return Figures(load.requests / load.took_s, load.p50_us, load.p99_us, cpu_s / load.requests * 1e6, busy)


def median(rounds: list[Figures]) -> Figures:
    """Each figure's median over the rounds."""
    kept = [asdict(each) for each in rounds]
    return Figures(**{name: statistics.median(each[name] for each in kept) for name in kept[0]})


@dataclass(slots=True)
class Results:
    """Everything that a run of the benchmark found."""

    closed: Found = field(default_factory=lambda: defaultdict(list))
    opened: Found = field(default_factory=lambda: defaultdict(list))
    batched: Found = field(default_factory=lambda: defaultdict(list))
    memory_mb: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    troubles: dict[str, str] = field(default_factory=dict)
    """Why a server, or a workload of one, was not measured."""

    def plain(self) -> dict[str, object]:
        """The medians, for JSON."""
        kept: dict[str, object] = {}
        for name, found in (("closed", self.closed), ("open", self.opened), ("batching", self.batched)):
            kept[name] = {" ".join(key): asdict(median(rounds)) for key, rounds in found.items()}
        kept["memory_mb"] = {name: statistics.median(each) for name, each in self.memory_mb.items()}
        return kept | {"not_measured": self.troubles}
