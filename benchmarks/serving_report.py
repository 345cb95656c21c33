"""How `bench_serving` prints what it found: a table a workload, ratios to Tidewheel, and the targets beside them."""

from __future__ import annotations

import statistics

from benchmarks.serving_figures import Figures, Found, Results, median
from benchmarks.serving_servers import SERVERS

_OWN = "tidewheel"
_BUSY = 0.9
_FRAMEWORKS = [server.name for server in SERVERS if server.framework]
_GOALS_AT_64 = {"fastapi": 8, "ray-tuned": 10, "ray": 25, "litserve": 25, "mlserver": 25, "bentoml": 25}
"""How many times a server's requests per second Tidewheel is to answer, single rows in JSON at 64 connections."""


def print_results(results: Results) -> None:
    """All tables."""
    for name, trouble in results.troubles.items():
        print(f"not measured: {name}: {trouble}")
    for workload in dict.fromkeys(key[1] for key in results.closed):
        _print_table(f"closed loop, {workload}, by connections", results.closed, workload)
    for workload in dict.fromkeys(key[1] for key in results.opened):
        _print_table(f"open loop, {workload}, by share of a server's own capacity", results.opened, workload)
    for workload in dict.fromkeys(key[1] for key in results.batched):
        _print_table("a network, single rows at 64 connections, by requests put together", results.batched, workload)
    _print_goals(results.closed)
    print("\nmemory of the process tree, MB (shared pages once)")
    for name, each in results.memory_mb.items():
        print(f"  {name:<12}{statistics.median(each):8.0f}")


def _print_table(title: str, found: Found, workload: str) -> None:
    print(f"\n{title}")
    print(f"  {'':<12}{'':>5}{'req/s':>9}{'p50 us':>10}{'p99 us':>10}{'CPU us':>9}   Tidewheel: req/s   p99   CPU")
    for (name, asked, kind), rounds in found.items():
        if asked == workload:
            figures = median(rounds)
            own = found.get((_OWN, workload, kind))
            print(f"  {name:<12}{kind:>5}{_figures(figures)}{_ratios(figures, median(own)) if own else ''}")


def _figures(each: Figures) -> str:
    mark = "*" if each.client_busy > _BUSY else " "
    return f"{each.per_second:9.0f}{each.p50_us:10.0f}{each.p99_us:10.0f}{each.cpu_us:9.1f}{mark}"


def _ratios(peer: Figures, own: Figures) -> str:
    faster, shorter, cheaper = own.per_second / peer.per_second, peer.p99_us / own.p99_us, peer.cpu_us / own.cpu_us
    return f"{faster:18.1f}x{shorter:5.1f}x{cheaper:5.1f}x"


def _print_goals(closed: Found) -> None:
    """The issue's targets beside what was found, by requests per second and by processor time."""
    found = {
        name: median(rounds)
        for (name, workload, kind), rounds in closed.items()
        if (workload, kind) == ("json-1", "64")
    }
    own = found.get(_OWN)
    if own is None:
        return
    print("\nsingle rows in JSON at 64 connections: times as many requests per second (times less CPU a request)")
    rows = [(name, goal, found[name]) for name, goal in _GOALS_AT_64.items() if name in found]
    frameworks = [found[name] for name in _FRAMEWORKS if name in found]
    if frameworks:
        rows.append(("best framework", 5, max(frameworks, key=lambda each: each.per_second)))
    for name, goal, peer in rows:
        faster, cheaper = own.per_second / peer.per_second, peer.cpu_us / own.cpu_us
        print(f"  {name:<16}{faster:7.1f}x ({cheaper:5.1f}x)   goal {goal}x: {'met' if faster >= goal else 'missed'}")
    if "floor" in found:
        above = own.cpu_us / found["floor"].cpu_us
        print(f"  {'above the floor':<16}{above:7.2f}x CPU       goal 1.5x: {'met' if above <= 1.5 else 'missed'}")
    print(f"  {'CPU a request':<16}{own.cpu_us:7.1f} us        goal 35 us: {'met' if own.cpu_us <= 35 else 'missed'}")
