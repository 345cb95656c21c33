"""The market's story without sockets and processes: the same platform, the same worker code, one thread.

What the story's outcome follows from is all real: routes and snapshots, the inference core, online features, the
prediction log, monitors, pipelines, gates, rollouts. Left out are HTTP, the worker processes and the wall clock; the
controller makes its round every half hour of market time. An answer is logged with a fixed latency, as far as it is
logged here: how busy this machine is must not decide how the story ends. Run by `test_market_seeds.py` in processes of
its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from tidewheel.app import Platform, open_platform
from tidewheel.base.clock import ReplayClock
from tidewheel.base.settings import Settings
from tidewheel.controller import chores
from tidewheel.demo.market.driver import Answer, Settled, ride_columns
from tidewheel.demo.market.quotes import Quote
from tidewheel.demo.market.scales import FAST
from tidewheel.demo.market.story import ENDPOINT, PROJECT, Story
from tidewheel.demo.market.transport import REQUEST_VALUES, labels_request, quote_request, read_answer
from tidewheel.demo.market.world import STARTS_AT
from tidewheel.features.push import push_rows
from tidewheel.pipelines import RunState
from tidewheel.pipelines.executor import Exit
from tidewheel.serving.snapshot import ServingFolder, WorkerReport, write_atomically
from tidewheel.serving.worker.calls import Call, Outcome, log_outcome
from tidewheel.serving.worker.endpoints import LoadedEndpoint
from tidewheel.serving.worker.labels import LabelTaker
from tidewheel.serving.worker.metrics import Meters
from tidewheel.serving.worker.model_inputs import rows_of
from tidewheel.serving.worker.online import open_online
from tidewheel.serving.worker.predict import Inference
from tidewheel.serving.worker.process import holding_index
from tidewheel.serving.worker.rest import RestInference
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.shadows import Shadows
from tidewheel.serving.worker.snapshots import load_snapshot
from tidewheel.storage.predictions.writer import PredictionWriter

STEPS_PER_ROUND = 6  # of five minutes
ROUNDS_PER_TIDYING = 24
LATENCY_S = 0.0005
TIDYING = frozenset({"features.materialize", "costs.meter", "predictions.compact"})


@dataclass(slots=True)
class Exchange:
    """What `http_protocol.Exchange` is to a handler: a request, and room for its answer."""

    body: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    answered: bytes | None = None

    def answer(self, status: int, body: bytes, content_type: bytes = b"", extra: bytes = b"") -> None:
        self.answered = body

    def refuse(self, status: int, message: str, extra: bytes = b"") -> None:
        raise AssertionError(f"refused with {status}: {message}")

    def gone(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Column:
    """One input of many quotes; fits `model_inputs.Input`."""

    name: str
    values: list[Any]

    def numbers(self) -> np.ndarray:
        return np.array(self.values, dtype=np.float64)  # None becomes NaN, as null does

    def texts(self) -> list[str]:
        return self.values


class StepThreads:
    """Fits `pipelines.Executor` with threads: a process for each step costs more than the step."""

    def __init__(self, run_step: Callable[[str], bool]) -> None:
        self._run_step = run_step
        self._exits: SimpleQueue[Exit] = SimpleQueue()

    def start(self, step_run_id: str) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run, step_run_id)).start()

    def stop(self, step_run_id: str) -> None:
        raise AssertionError("no step of a rehearsal has a timeout")

    def exits(self, timeout_s: float) -> list[Exit]:
        try:
            return [self._exits.get(timeout=timeout_s)]
        except Empty:
            return []

    def close(self) -> None:
        """Nothing to close."""

    def _run(self, step_run_id: str) -> None:
        began = time.perf_counter()
        code = 1
        try:
            code = 0 if self._run_step(step_run_id) else 1
        finally:
            taken = time.perf_counter() - began
            self._exits.put(Exit(step_run_id, code, taken, taken))


class Rehearsal:
    """One worker and one controller in this thread; fits `story.VersionTransport`."""

    def __init__(self, platform: Platform, clock: ReplayClock) -> None:
        self.platform = platform
        self._clock = clock
        self._folder = ServingFolder(platform.home)
        self._online = open_online(platform.home, platform.settings)
        self._log = PredictionWriter(platform.home / "predictions", "w0", 16 * 2**20)
        self._meters = Meters(self._folder.counters, 0)
        self._shadows = Shadows(asyncio.get_running_loop(), self._online, self._log_shadow, _refuse_to_drop)
        loop = asyncio.get_running_loop()
        self._inference = Inference(loop, self._log, self._online, clock, self._meters, self._shadows)
        self._rest = RestInference(self._inference.submit)
        self._labels = LabelTaker(self._log, clock, self._meters)
        self._chores = [each for each in chores(platform) if each.name != "pipelines.revive"]
        self._steps = self._rounds = 0

    async def round(self) -> None:
        """What the controller does in a round, the pipeline runs that wait, and what a worker does of it."""
        for chore in self._chores:
            if chore.name not in TIDYING or self._rounds % ROUNDS_PER_TIDYING == 0:
                chore.work()
        pipelines = self.platform.pipelines
        for run in pipelines.runs():
            if run.state is RunState.QUEUED:
                ended = pipelines.execute(run.id, StepThreads(pipelines.run_step))
                assert ended is not None
                assert ended.state is RunState.SUCCEEDED, ended.error
        self._rounds += 1
        self._take_snapshot()

    def logged_live(self) -> int:
        """Live predictions that the workers' counters know of."""
        return round(self.platform.serving.status().requests)

    async def ask(self, quotes: list[Quote]) -> list[Answer | None]:
        if self._steps % STEPS_PER_ROUND == 0:
            await self.round()
        self._steps += 1
        shadowed = bool(self._endpoint().shadows)
        single = len(quotes) if shadowed else 1  # mirrored requests are mirrored by the real code
        answers = [await self._ask_one(quote) for quote in quotes[:single]]
        return [*answers, *self._ask_many(quotes[single:])]

    async def ask_version(self, version: str, quotes: list[Quote]) -> list[Answer | None]:
        found = self._endpoint().version(version)
        return self._answer(found, quotes, "direct", f"-{version[-6:]}")

    async def push(self, view: str, rows: list[dict[str, Any]]) -> None:
        plans = [version.plan for version in self._inference.table.versions().values() if version.plan]
        views = {each.hash: each for plan in plans for each in plan.views if each.name == view}
        assert views, f"no served version uses the view {view}"
        for each in views.values():
            push_rows(self._online, each, rows)

    async def label(self, settled: list[Settled]) -> None:
        exchange = Exchange(labels_request(settled))
        self._labels.take(exchange)  # type: ignore[arg-type]
        assert exchange.answered is not None

    async def append_rides(self, settled: list[Settled]) -> None:
        self.platform.data.append("rides", ride_columns(settled))

    async def _ask_one(self, quote: Quote) -> Answer | None:
        """Through the whole inference core, mirrored requests included."""
        exchange = Exchange(quote_request(quote))
        self._rest.infer(exchange, ENDPOINT)  # type: ignore[arg-type]
        while exchange.answered is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        while self._shadows.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.0002)  # without spinning: the shadow's thread is timed
        return read_answer(exchange.answered)

    def _ask_many(self, quotes: list[Quote]) -> list[Answer | None]:
        """The same answers, features and records, computed for all quotes of a version at once."""
        endpoint = self._endpoint()
        assert not endpoint.unit.switchback
        shares: dict[str, list[int]] = {}
        for place, quote in enumerate(quotes):
            shares.setdefault(endpoint.choose(quote.rider_id).id, []).append(place)
        answers: list[Answer | None] = [None] * len(quotes)
        for version, places in shares.items():
            found = self._answer(endpoint.versions[version], [quotes[place] for place in places], "live")
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return answers

    def _answer(self, version: LoadedVersion, quotes: list[Quote], arm: str, suffix: str = "") -> list[Answer | None]:
        at_us = self._clock.now_us()
        inputs = {"zone": Column("zone", [quote.zone for quote in quotes])}
        inputs |= {name: Column(name, [getattr(quote, name) for quote in quotes]) for name in REQUEST_VALUES}
        rows, entities = rows_of(version, inputs, self._online, at_us)
        outputs = version.predict(rows)
        series = self._meters.series(ENDPOINT, version.id, arm)
        for place, quote in enumerate(quotes):
            call = Call(quote.quote_id + suffix, at_us, ENDPOINT, quote.rider_id, inputs)
            keys = {name: [values[place]] for name, values in entities.items()}
            part = slice(place, place + 1)
            log_outcome(self._log, call, version, arm, Outcome(200, LATENCY_S, rows[part], keys, outputs[part]))
            series.observe(200, LATENCY_S, 1)
        return [Answer(version.number, *values) for values in outputs.tolist()]

    def _endpoint(self) -> LoadedEndpoint:
        return self._inference.table.endpoint(ENDPOINT)

    def _take_snapshot(self) -> None:
        """Load what was published, as a worker's watcher would, and report it."""
        loading = load_snapshot(self._folder, self._inference.table, self.platform.settings)
        assert not loading.failures, loading.failures
        if loading.table is not None and loading.table.generation != self._inference.table.generation:
            self._inference.take_table(loading.table)
            self._report(loading.table.generation)

    def _report(self, generation: int) -> None:
        report = WorkerReport(
            pid=os.getpid(),
            state="ready",
            generation=generation,
            failures={},
            started_at=datetime.now(UTC).isoformat(),
            address="nowhere",
        )
        write_atomically(self._folder.report(0), report)

    def _log_shadow(self, call: Call, version: LoadedVersion, outcome: Outcome) -> None:
        log_outcome(self._log, call, version, "shadow", replace(outcome, latency_s=LATENCY_S))


@contextmanager
def rehearsing(home: Path) -> Iterator[tuple[Rehearsal, ReplayClock]]:
    """A fresh home with the market's project declared; within a running event loop."""
    sys.setswitchinterval(0.0005)  # as in a worker
    clock = ReplayClock(home / "clock", STARTS_AT)
    with open_platform(home, Settings(environ={})) as platform, holding_index(ServingFolder(home), 0):
        platform.loop.declare(PROJECT)
        yield Rehearsal(platform, clock), clock


def _refuse_to_drop(endpoint: str) -> None:
    raise AssertionError(f"a mirrored request to {endpoint} was dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the story of one seed came out. Times are hours of market time."""

    seed: int
    shift: bool
    alerts: tuple[str, ...]  # kind and hours since the shift (or the start) of each
    turns: int
    outcomes: tuple[str, ...]
    promoted: bool
    alert_after_h: float | None
    promoted_after_h: float | None
    gain: float | None
    bad_state: str | None
    bad_stage: str | None
    quotes: int
    unanswered: int
    unlogged: int
    wall_s: float

    def line(self) -> str:
        """The ending as a row of a table."""
        hours = [
            f"{each:6.1f}" if each is not None else "     -" for each in (self.alert_after_h, self.promoted_after_h)
        ]
        gain = f"{self.gain:+7.1%}" if self.gain is not None else "      -"
        bad = f"{self.bad_state} at {self.bad_stage}" if self.bad_state else "-"
        alerts = ", ".join(self.alerts) or "no alert"
        shift = "shift" if self.shift else "calm "
        return f"{self.seed:4d} {shift} {' '.join(hours)} {gain}  {bad:32} {self.wall_s:5.1f} s  {alerts}"


def rehearse(seed: int, shift: bool) -> Ending:
    """Tell the whole story of a seed at the scale of `--fast`."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        return asyncio.run(_rehearse(Path(folder), seed, shift))


async def _rehearse(home: Path, seed: int, shift: bool) -> Ending:
    began = time.perf_counter()
    with rehearsing(home) as (rehearsal, clock):
        platform = rehearsal.platform
        story = Story(platform, rehearsal, clock, seed=seed, scale=FAST, shift=shift, wait=rehearsal.round)
        told = await story.tell()
        await rehearsal.round()
        turns = platform.loop.history(ENDPOINT)[::-1]
        alerts = platform.monitoring.alerts()[::-1]
        since = told.shift_at or STARTS_AT
        bad = platform.rollout.decisions(told.bad_rollout.id)[-1] if told.bad_rollout else None
        return Ending(
            seed=seed,
            shift=shift,
            alerts=tuple(f"{alert.kind} {_hours(alert.at - since):.1f} h" for alert in alerts),
            turns=len(turns),
            outcomes=tuple(f"{turn.state}: {turn.outcome}" for turn in turns),
            promoted=told.promoted,
            alert_after_h=_hours(alerts[0].at - since) if alerts else None,
            promoted_after_h=_hours(told.turn.ended_at - since) if told.turn and told.turn.ended_at else None,
            gain=told.comparison.gain if told.comparison else None,
            bad_state=told.bad_rollout.state.value if told.bad_rollout else None,
            bad_stage=bad.stage_name if bad else None,
            quotes=told.quotes,
            unanswered=told.unanswered,
            unlogged=told.quotes - rehearsal.logged_live(),
            wall_s=time.perf_counter() - began,
        )


def _hours(span: timedelta) -> float:
    return span.total_seconds() / 3600
