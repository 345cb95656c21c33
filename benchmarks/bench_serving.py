"""Inference over the wire against other servers: same model, same rows, one core each, interleaved rounds.

    python -m benchmarks.bench_serving [--quick] [--peers fastapi litserve …] [--workloads json-1 grpc …] [--rounds 3]

Every server first has to give LightGBM's answers; then it is loaded in a closed loop, which says what it can do, and in
an open one at shares of that, which says how long callers wait. One server runs at a time, in turn in each round; what
is printed are medians over the rounds. Server CPU per request is that of its whole process tree, the figure that holds
on a noisy machine. A peer that cannot be had here is named with the reason and left out. A star marks figures that the
client may have bounded: it used more than nine tenths of its core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import serving_wrk
from benchmarks.serving_budget import measure, print_budget
from benchmarks.serving_environments import PEERS
from benchmarks.serving_figures import Results
from benchmarks.serving_home import make_home
from benchmarks.serving_measure import ROWS, Plan, measure_once
from benchmarks.serving_report import print_results
from benchmarks.serving_servers import SERVERS

_ALWAYS = ("tidewheel", "floor")


def main() -> None:
    """Measure and print."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server outlives this
    print(_settings(given), flush=True)
    plan = Plan(given.workloads, given.connections, given.seconds, given.open, given.batching)
    chosen = [server for server in SERVERS if given.peers is None or server.name in (*_ALWAYS, *given.peers)]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        home = Path(folder) / "home"
        make_home(home)
        for turn in range(given.rounds):
            for server in chosen if turn % 2 == 0 else reversed(chosen):
                if server.name not in results.troubles:
                    print(f"round {turn + 1} of {given.rounds}: {server.name}", file=sys.stderr, flush=True)
                    measure_once(server, home, plan, results)
        print_results(results)
        print_budget(measure(home))
    if given.json:
        given.json.write_text(json.dumps(results.plain(), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    names = [server.name for server in SERVERS if server.name not in _ALWAYS]
    parser.add_argument("--quick", action="store_true", help="one round of a second each, 1 and 64 connections")
    parser.add_argument("--peers", nargs="*", choices=names, metavar="PEER", help=f"of {', '.join(names)}; default all")
    parser.add_argument("--workloads", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--open", nargs="*", type=float, default=[0.5, 0.8], help="shares of the capacity")
    parser.add_argument("--seconds", type=int, default=2, help="how long each load lasts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-batching", dest="batching", action="store_false", help="leave the network out")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    given, _ = parser.parse_known_args()
    if given.quick:
        given.rounds, given.seconds, given.connections = 1, 1, [1, 64]
    return given


def _settings(given: argparse.Namespace) -> str:
    return (
        f"{os.cpu_count()} cores (server on one, load on the others), Python {platform.python_version()}; 1 worker, 1 "
        f"thread; LightGBM 200 trees x 31 leaves x 30 features, as ONNX everywhere; {given.rounds} round(s) of "
        f"{given.seconds} s a load; closed loop by {'wrk' if serving_wrk.available() else 'our own client'}; "
        f"load average at the start {os.getloadavg()[0]:.1f}\n"
        f"peers: {', '.join((PEERS / 'versions.txt').read_text().split())}"
    )


if __name__ == "__main__":
    main()
