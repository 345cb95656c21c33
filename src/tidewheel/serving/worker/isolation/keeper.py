"""Keeps one child with one model running, and asks it.

A child that dies, or that is ended because it did not answer in time, is replaced at once; one that keeps dying, after
growing pauses. Until a new one has loaded the model, calls are refused rather than kept waiting. Every child is started
by the keeper's own thread: Linux ends a child with the *thread* that started it, and this one lives as long as the
worker.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import Corrupt, TidewheelError, Unavailable
from tidewheel.registry.isolated import error_of, manner_of_end, model_environment
from tidewheel.registry.isolated_process import Reply
from tidewheel.serving.worker.isolation.child import Failure, Task
from tidewheel.serving.worker.isolation.frames import BadFrame, Frame, Kind, receive, send

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 10.0  # a child that lived this long has its restart pause forgiven
_LAST_BREATH_S = 1.0  # between closing its socket and ending
_PASSED_ON = ("TIDEWHEEL_SERVING_ONNX_PROVIDERS",)  # the settings that loading a model reads


class ModelFailed(Exception):
    """A model raised this in its own process: the name of the exception's type, and its message.

    `of_values` says whether it was a ValueError or TypeError, by which models refuse values.
    """

    def __init__(self, said: str, *, of_values: bool = False) -> None:
        super().__init__(said)
        self.of_values = of_values


@dataclass(frozen=True, slots=True)
class Child:
    """A process that has loaded the model, and the socket that it listens to."""

    process: subprocess.Popen[bytes]
    connection: socket.socket


class Keeper:
    """One model in one child after another. May be used from any thread; asks one call at a time."""

    def __init__(self, task: Task, call_s: float, load_s: float) -> None:
        self._task = task
        self._call_s = call_s
        self._load_s = load_s
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._child: Child | None = None
        self._trouble: TidewheelError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()

    @property
    def pid(self) -> int | None:
        """The process id of the child that answers, or None while there is none."""
        child = self._child
        return None if child is None else child.process.pid

    def start(self) -> None:
        """Start the first child, and wait until it has loaded the model.

        Raises:
            TidewheelError: that which kept the model from being loaded; no child is kept then.
        """
        threading.Thread(target=self._keep, name="isolated-model", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._child is not None or self._trouble is not None)
            trouble = self._trouble
        if trouble is not None:
            self.close()
            raise trouble

    def ask(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The child's outputs, (rows, outputs).

        Raises:
            Unavailable: if there is no child now, or it dies of this call, or does not answer in time.
            ModelFailed: if the model raised an exception; a TidewheelError is raised as it is.
        """
        with self._asking:
            child = self._present()
            deadline = time.monotonic() + self._call_s
            try:
                send(child.connection, Frame(Kind.ROWS, numbers=rows), deadline)
                answer = receive(child.connection, deadline, rows=len(rows))
            except TimeoutError:
                raise self._give_up(child, f"did not answer {len(rows)} rows within {self._call_s:g} s") from None
            except BadFrame as error:
                raise self._give_up(child, _end_of(child.process) or f"spoke nonsense: {error}") from None
            except OSError:
                raise self._give_up(child, _end_of(child.process) or "closed its connection") from None
        if answer.kind is Kind.OUTPUTS and answer.numbers is not None:
            return answer.numbers
        raise _failure(answer)

    def close(self) -> None:
        """End the child, and start no other. Takes no lock: it is also called when the predictor is collected."""
        self._closed.set()
        if self._process is not None:
            _kill(self._process)

    def _present(self) -> Child:
        with self._changed:
            if self._child is not None:
                return self._child
            why = f": {self._trouble}" if self._trouble is not None else "."
        raise Unavailable(f"The model's process is being started again{why}", fix="Try again in a second.")

    def _give_up(self, child: Child, why: str) -> Unavailable:
        """Part with a child; the keeper's thread, which waits for its end, starts another."""
        _kill(child.process)
        error = Unavailable(f"The model's process {why}.", fix="It is being started again: try again in a second.")
        self._withdraw(child, error)
        return error

    def _withdraw(self, child: Child, error: TidewheelError) -> None:
        with self._changed:
            if self._child is child:
                self._child, self._trouble = None, error

    def _keep(self) -> None:
        deaths = 0
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                self._keep_one()
            except TidewheelError as error:
                self._say(error)
            except Exception as error:  # no descriptors or no memory for a child now, say: there may be later
                self._say(Unavailable(f"No process could be started for the model: {error}.", fix="Try again later."))
            deaths = 1 if time.monotonic() - began > _STEADY_S else deaths + 1
            self._closed.wait(min(_FIRST_PAUSE_S * 2 ** min(deaths - 1, 20), _LONGEST_PAUSE_S))

    def _say(self, trouble: TidewheelError) -> None:
        with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    def _keep_one(self) -> None:
        """One child from start to end."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self._process = _spawn(theirs)
            try:
                self._load(process, ours)
                child = Child(process, ours)
                with self._changed:
                    self._child, self._trouble = child, None
                    self._changed.notify_all()
                process.wait()
                if not self._closed.is_set():
                    error = Unavailable(f"The model's process {_end_of(process)}.")
                    print(error, file=sys.stderr, flush=True)
                    self._withdraw(child, error)
            finally:
                _kill(process)
                process.wait()

    def _load(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        """Have a new child load the model."""
        if self._closed.is_set():
            raise Unavailable("The model has been closed.")
        deadline = time.monotonic() + self._load_s
        try:
            send(connection, Frame(Kind.TASK, text=msgspec.json.encode(self._task)), deadline)
            answer = receive(connection, deadline)
        except TimeoutError:
            raise Corrupt(
                f"The {self._task.format} model did not load in its own process within {self._load_s:g} s.",
                fix="Its file may be damaged; if it is only slow, raise TIDEWHEEL_REGISTRY_TRIAL_TIMEOUT_S.",
            ) from None
        except (BadFrame, OSError):
            raise Corrupt(
                f"The {self._task.format} model ended its own process while it was loaded: "
                f"it {_end_of(process) or 'closed its connection'}.",
                fix="Its file is damaged, or it needs more memory than TIDEWHEEL_SERVING_ISOLATED_MEMORY_MB.",
            ) from None
        if answer.kind is not Kind.READY:
            failure = _failure(answer)
            if isinstance(failure, TidewheelError):
                raise failure
            raise Corrupt(f"The model failed to load: {failure}", fix="Mend it and register it again.")


def _spawn(connection: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tidewheel.serving.worker.isolation", str(connection.fileno())]
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **model_environment(), **passed_on}
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        pass_fds=[connection.fileno()],
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)


def _end_of(process: subprocess.Popen[bytes]) -> str:
    """How a process that has closed its socket ended; empty if it has not."""
    try:
        return f"ended {manner_of_end(process.wait(_LAST_BREATH_S))}"
    except subprocess.TimeoutExpired:
        return ""


def _failure(answer: Frame) -> Exception:
    """What a frame that is no answer tells of."""
    try:
        if answer.kind is Kind.REFUSED:
            return error_of(msgspec.json.decode(answer.text, type=Reply))
        if answer.kind is Kind.FAILED:
            failure = msgspec.json.decode(answer.text, type=Failure)
            return ModelFailed(f"{failure.type}: {failure.message}", of_values=failure.of_values)
    except msgspec.DecodeError:
        pass
    return Corrupt("The model's process gave an answer that is none.")
