"""One pipeline run being executed: its body in this thread, its steps wherever the executor runs them.

`submit` starts what can be started; a watching thread hears of exits, tries again what failed, ends what takes too long
and keeps the run's lease. The state that counts is in the step journal: this object can be lost at any moment.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tidewheel.base.errors import TidewheelError
from tidewheel.pipelines.executor import Executor, Exit
from tidewheel.pipelines.records import StepRun
from tidewheel.pipelines.states import StepState
from tidewheel.pipelines.step_journal import StepJournal
from tidewheel.pipelines.steps import Step, StepFailed, StepHandle
from tidewheel.pipelines.values import ResultOf, leaves, map_leaves, undump
from tidewheel.storage import Blobs

_POLL_S = 0.05
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 30.0


@dataclass(slots=True, eq=False)
class _Call:
    """One call of a step in the body: waiting, running (`attempt` is set), or ended (`done` or `error` is set)."""

    step: Step[Any, Any]
    key: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    failures: int = 0
    ready_at: float = 0.0
    deadline: float | None = None
    overdue: bool = False
    attempt: StepRun | None = None
    done: StepRun | None = None
    error: str | None = None
    seen: bool = False

    @property
    def ended(self) -> bool:
        return self.done is not None or self.error is not None


class Execution:
    """Fits `steps.Submits`. `beat` is called about once a second; what it raises ends the run."""

    def __init__(
        self, journal: StepJournal, blobs: Blobs, executor: Executor, processes: int, beat: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._blobs = blobs
        self._executor = executor
        self._processes = processes
        self._beat = beat
        self._past = journal.step_runs()
        self._calls: dict[str, _Call] = {}
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._broken: BaseException | None = None
        self._closing = False
        context = contextvars.copy_context()
        self._watcher = threading.Thread(target=context.run, args=(self._watch,), daemon=True)
        self._watcher.start()

    def submit(self, step: Step[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> StepHandle:
        with self._changed:
            self._counts[step.name] += 1
            key = f"{step.name}#{self._counts[step.name]}"
            self._calls[key] = _Call(step, key, args, kwargs)
            self._start_ready()
        return StepHandle(key, self)

    def wait(self, handle: StepHandle) -> Any:
        call = self._calls[handle.key]
        self._wait_until_ended(call)
        call.seen = True
        if call.error is not None:
            raise StepFailed(call.error, where=f"step {call.key}")
        assert call.done is not None
        assert call.done.result_digest is not None
        return undump(self._blobs.get(call.done.result_digest))

    def finish(self, value: Any) -> Any:
        """What the body returned, with results in place of handles, once every step has ended.

        Raises:
            StepFailed: if a step failed and the body did not look at it.
        """
        result = map_leaves(value, lambda leaf: self.wait(leaf) if isinstance(leaf, StepHandle) else leaf)
        for call in list(self._calls.values()):
            self._wait_until_ended(call)
        failed = [call for call in self._calls.values() if call.error is not None and not call.seen]
        if failed:
            raise StepFailed(str(failed[0].error), where=f"step {failed[0].key}")
        return result

    def close(self) -> None:
        """Stop watching, and end what still runs."""
        self._closing = True
        self._watcher.join()
        self._executor.close()

    def _wait_until_ended(self, call: _Call) -> None:
        with self._changed:
            self._changed.wait_for(lambda: call.ended or self._broken is not None)
            if not call.ended and self._broken is not None:
                raise self._broken

    def _watch(self) -> None:
        beat_at = 0.0
        while not self._closing:
            try:
                if time.monotonic() >= beat_at:
                    self._beat()
                    beat_at = time.monotonic() + 1.0
                exits = self._executor.exits(_POLL_S)
                with self._changed:
                    for ended in exits:
                        self._take_exit(ended)
                    self._stop_overdue()
                    self._start_ready()
            except BaseException as error:  # the body's thread raises it, whatever it is
                with self._changed:
                    self._broken = error
                    self._changed.notify_all()
                return

    def _start_ready(self) -> None:
        progress = True
        while progress:
            progress = False
            for call in self._calls.values():
                if not call.ended and call.attempt is None and self._start(call):
                    progress = progress or call.ended
        self._changed.notify_all()

    def _start(self, call: _Call) -> bool:
        """Start a call, or end it without a process, if it is ready; say whether anything happened."""
        needs = [self._calls[leaf.key] for leaf in leaves([call.args, call.kwargs]) if isinstance(leaf, StepHandle)]
        failed = [need for need in needs if need.error is not None]
        if failed:
            failed[0].seen = False
            call.error = f"Step {call.key} needs {failed[0].key}, which failed: {failed[0].error}"
            call.seen = True  # the failure is its cause's, and reported as that
            return True
        busy = sum(other.attempt is not None for other in self._calls.values()) >= self._processes
        if busy or any(need.done is None for need in needs) or time.monotonic() < call.ready_at:
            return False
        draft = self._draft(call)
        call.done = self._journal.finished(draft, self._past)
        if call.done is None and call.step.cache:
            call.done = self._journal.take_cached(draft)
        if call.done is not None:
            return True
        self._begin(call, draft)
        return True

    def _draft(self, call: _Call) -> StepRun:
        args, kwargs = map_leaves((call.args, call.kwargs), self._resolve)
        draft = self._journal.draft(call.step, call.key, args, kwargs)
        before = [past for past in self._past if past.key == call.key]
        return replace(draft, attempt=len(before) + call.failures + 1)

    def _resolve(self, leaf: Any) -> Any:
        if not isinstance(leaf, StepHandle):
            return leaf
        done = self._calls[leaf.key].done
        assert done is not None
        return ResultOf(str(done.result_digest), str(done.result_hash))

    def _begin(self, call: _Call, draft: StepRun) -> None:
        self._journal.begin(draft)
        call.attempt, call.overdue = draft, False
        call.deadline = time.monotonic() + call.step.timeout_s if call.step.timeout_s is not None else None
        self._executor.start(draft.id)

    def _stop_overdue(self) -> None:
        for call in self._calls.values():
            late = call.attempt is not None and call.deadline is not None and time.monotonic() > call.deadline
            if late and not call.overdue and call.attempt is not None:
                call.overdue = True
                self._executor.stop(call.attempt.id)

    def _take_exit(self, ended: Exit) -> None:
        call = next((c for c in self._calls.values() if c.attempt is not None and c.attempt.id == ended.id), None)
        if call is None or call.attempt is None:
            return
        spent = {"cpu_s": ended.cpu_s, "wall_s": ended.wall_s}
        # Written only if the process died before it could say itself how it ended.
        self._journal.end(call.attempt, StepState.FAILED, error=_cause_of_death(call, ended), **spent)
        step_run, call.attempt = self._journal.read(call.attempt.id), None
        if step_run is not None and step_run.state is StepState.SUCCEEDED:
            call.done = step_run
            return
        call.failures += 1
        if call.failures <= call.step.retries:
            wait_s = _FIRST_RETRY_S * 4.0 ** (call.failures - 1)
            call.ready_at = time.monotonic() + min(wait_s, _LONGEST_RETRY_S)
        else:
            times = f" ({call.failures} times)" if call.failures > 1 else ""
            call.error = f"Step {call.key} failed{times}: {step_run.error if step_run else 'its record is gone'}"


def _cause_of_death(call: _Call, ended: Exit) -> str:
    if call.overdue:
        return f"It was stopped for taking longer than its timeout of {call.step.timeout_s:g} s."
    if ended.code == -9:
        return "Its process was killed (signal 9); often that is the system running out of memory."
    if ended.code < 0:
        return f"Its process was ended by signal {-ended.code}."
    return f"Its process ended with code {ended.code} before it had a result; see its log."


class PipelineCancelled(TidewheelError):
    """Someone asked for the run to stop."""


class LeaseLost(TidewheelError):
    """Another process has taken the run over."""
