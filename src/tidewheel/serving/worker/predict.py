"""The path of a prediction, joined: a call of any protocol becomes an answer, and none leaves before it is in the log.

parse (the protocol) -> route -> features and model (`lanes`) -> log -> answer. What is here runs on the event loop and
never waits; it must not touch a database, take a lock or start a thread.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from itertools import count
from time import perf_counter
from typing import Any, Protocol

import msgspec

from tidewheel.base.clock import Clock
from tidewheel.base.errors import Corrupt, InvalidInput, Overloaded, TidewheelError, Unavailable
from tidewheel.base.ids import ulid
from tidewheel.serving.assignment import switchback_unit
from tidewheel.serving.worker.calls import NO_ROWS, Answer, Call, InferenceCall, Outcome, log_outcome
from tidewheel.serving.worker.endpoints import EndpointTable, LoadedEndpoint
from tidewheel.serving.worker.lanes import Lane, Lanes, ModelCall, Work
from tidewheel.serving.worker.metrics import Meters
from tidewheel.serving.worker.model_failures import ModelRefused, words_of
from tidewheel.serving.worker.model_inputs import check_known
from tidewheel.serving.worker.residency import Residency
from tidewheel.serving.worker.runtime import LoadedVersion
from tidewheel.serving.worker.shadows import Shadows
from tidewheel.storage.predictions.log_policy import LogPolicy
from tidewheel.storage.predictions.writer import PredictionWriter

LOAD_ADDRESS = "POST /v2/repository/models/{name}/load"
_MAX_ID = 200
_NOT_LOGGED = frozenset({400, 499})  # what the client got wrong, and what nobody waited for


class Observer(Protocol):
    """Is told of every request that a version was to answer, after its answer. Must be quick, and never raise."""

    def finished(self, call: InferenceCall, version_id: str, outcome: Outcome, latency_s: float) -> None:
        """A request has been answered or refused, `latency_s` seconds after it was parsed."""

    def flush(self) -> None:
        """Called a few times a second."""


class Inference:
    """Answers inference calls from the current table, which `take_table` replaces when a new generation is loaded."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        log: PredictionWriter,
        online: Any,
        clock: Clock,
        meters: Meters,
        shadows: Shadows,
        budget_bytes: int = 0,
        log_tensor_values: int = 0,
    ) -> None:
        self.table = EndpointTable(0, {})
        self.residency = Residency(loop, budget_bytes, self._is_busy, meters.count_loading)
        self.lanes = Lanes(loop, online, self._finish, self._count_batch, self.residency.wake)
        self._log = log
        self._clock = clock
        self.meters = meters
        self._shadows = shadows
        self._log_tensor_values = log_tensor_values
        self.observers: list[Observer] = []
        # Ids of requests without one: unique by the worker's own ULID, and a counter costs a tenth of another ULID.
        self._new_ids = (f"{prefix}{number:x}" for prefix in (ulid(),) for number in count(1))

    def take_table(self, table: EndpointTable) -> None:
        """Answer from this table on; what is under way finishes on the versions that it was routed to."""
        self.table = table
        self.lanes.keep(table)
        self.residency.take_table(table)

    def sweep(self) -> None:
        """What is to be done a few times a second: refuse what is late, send models away that are not needed."""
        self.lanes.sweep()
        self.lanes.keep(self.table)
        self.residency.sweep()
        for observer in self.observers:
            observer.flush()

    def submit(self, call: InferenceCall) -> None:
        """Answer a call, when the loop's turn ends or later; never blocks."""
        version: LoadedVersion | None = None
        try:
            endpoint = self.table.endpoint(call.endpoint)
            if endpoint.name in self.residency.unloaded:
                address = LOAD_ADDRESS.format(name=endpoint.name)
                raise Unavailable(f"The endpoint {endpoint.name!r} is unloaded.", fix=f"Load it: {address}.")
            check_known(call.inputs, endpoint.known_inputs, endpoint.champion_inputs)
            call.at_us = self._clock.now_us()
            call.request_id = _checked_id(call.request_id) or next(self._new_ids)
            call.unit = _unit(endpoint, call)
            version = self._choose(endpoint, call)
            _check_outputs(call, version)
            if endpoint.options.timeout_ms:
                call.limit_to(endpoint.options.timeout_ms)
            self.lanes.take(call, endpoint, version)
        except TidewheelError as error:
            if version is not None:
                self._note_refusal(call, endpoint, version, error)
            call.refuse(error)

    def _choose(self, endpoint: LoadedEndpoint, call: InferenceCall) -> LoadedVersion:
        if call.asked is not None:
            call.arm = "direct"
            return endpoint.version(call.asked)
        endpoint.require_route()
        call.arm = "live"
        return endpoint.choose(call.unit)

    def _note_refusal(
        self, call: InferenceCall, endpoint: LoadedEndpoint, version: LoadedVersion, error: TidewheelError
    ) -> None:
        """Count a call that did not come into its lane; that the lane was full speaks against its version: log it."""
        outcome, logged = Outcome(error.status, 0.0, NO_ROWS, {}, None), 0
        if isinstance(error, Overloaded):
            routed = Call(call.request_id, call.at_us, endpoint.name, call.unit, call.inputs)
            with suppress(Unavailable):  # the disk is full; the call is refused in any case
                logged = self._log_rows(routed, endpoint.policies[version.id], version, call.arm, outcome)
        self._tell(call, version, outcome, logged)

    def _finish(self, lane: Lane, works: list[Work]) -> None:
        """Log what became of works, answer them, count and mirror them."""
        for work in works:
            call, outcome = work.call, work.outcome
            routed = Call(call.request_id, call.at_us, lane.endpoint.name, call.unit, call.inputs, call.body_bytes)
            logged = 0
            try:
                if _is_told(work):
                    logged = self._log_finished(routed, lane, work)
                self._reply(lane, work)
            except Exception:  # what cannot be written must not take the requests behind it along
                traceback.print_exc(file=sys.stderr)
                call.refuse(Corrupt("The server failed; its log says how."))
            self._tell(call, lane.version, outcome, logged)
            if lane.endpoint.shadows and call.arm == "live" and _is_told(work):
                self._shadows.offer(routed, [each for each in lane.endpoint.shadows if each is not lane.version])

    def _log_finished(self, routed: Call, lane: Lane, work: Work) -> int:
        """Log a work's rows; one whose rows cannot be logged has failed."""
        policy = lane.endpoint.policies[lane.version.id]
        if lane.version.tensors:
            self._leave_out_tensors(lane.version, work.outcome)
        try:
            return self._log_rows(routed, policy, lane.version, work.call.arm, _logged_outcome(work))
        except Unavailable as error:
            work.fail(error, error.status)
            work.outcome.outputs = None
            return 0

    def log_shadow(self, call: Call, version: LoadedVersion, outcome: Outcome) -> None:
        """Log and count what a shadow made of a mirrored request."""
        if version.tensors:
            self._leave_out_tensors(version, outcome)
        endpoint = self.table.endpoints.get(call.endpoint)
        policy = None if endpoint is None else endpoint.policies.get(version.id)
        logged = 0
        if policy is not None:
            with suppress(Unavailable):  # the disk is full; there is nobody to tell, and the count below does
                logged = self._log_rows(call, policy, version, "shadow", outcome)
        self.meters.series(call.endpoint, version.id, "shadow").observe(outcome.status, outcome.latency_s, logged)

    def _log_rows(self, call: Call, policy: LogPolicy, version: LoadedVersion, arm: str, outcome: Outcome) -> int:
        """Log the rows of a request, as its endpoint wants it; returns how many."""
        if not policy.off:
            if not policy.keeps(call.id):
                return 0
            rows, entities = policy.redact_rows(outcome.rows), policy.redact_entities(outcome.entities)
            outcome = replace(outcome, rows=rows, entities=entities)
            call = msgspec.structs.replace(call, unit=policy.redact_unit(call.unit))
        return log_outcome(self._log, call, version, arm, outcome)

    def _leave_out_tensors(self, version: LoadedVersion, outcome: Outcome) -> None:
        """Log rows without their inputs where these are larger than the log is for, as images are."""
        if version.width > self._log_tensor_values:
            outcome.rows = outcome.rows[:, :0]

    def _tell(self, call: InferenceCall, version: LoadedVersion, outcome: Outcome, logged: int) -> None:
        latency_s = perf_counter() - call.began
        self.meters.series(call.endpoint, version.id, call.arm).observe(outcome.status, latency_s, logged)
        for observer in self.observers:
            observer.finished(call, version.id, outcome, latency_s)

    def _reply(self, lane: Lane, work: Work) -> None:
        call, outcome, version = work.call, work.outcome, lane.version
        if outcome.outputs is not None:
            call.answer(Answer(lane.endpoint.name, version, call.request_id, outcome.outputs, outcome.explanation))
        elif isinstance(work.failure, TidewheelError) and outcome.status != Corrupt.status:
            call.refuse(work.failure)
        else:
            _print_failure(version, work.failure)
            said = words_of(work.failure).rstrip(".")
            call.refuse(Corrupt(f"The version {version.id} failed on this request: {said}."))

    def _is_busy(self, version: LoadedVersion) -> bool:
        return self.lanes.busy(version) or self._shadows.busy(version)

    def _count_batch(self, lane: Lane, called: ModelCall) -> None:
        self.meters.count_batch(lane.endpoint.name, lane.version.id, called.rows, called.took_s, called.requests)


def _checked_id(request_id: str) -> str:
    if len(request_id) > _MAX_ID:
        raise InvalidInput(f"The request's id is longer than {_MAX_ID} characters.", where="id", fix="Shorten it.")
    return request_id


def _is_told(work: Work) -> bool:
    """Whether what became of a work says something of its version, and so is logged and mirrored."""
    return work.outcome.status not in _NOT_LOGGED or isinstance(work.failure, ModelRefused)


def _logged_outcome(work: Work) -> Outcome:
    """The outcome for the log, to which a version that refuses values has failed, whatever its caller could mend."""
    return replace(work.outcome, status=Corrupt.status) if isinstance(work.failure, ModelRefused) else work.outcome


def _unit(endpoint: LoadedEndpoint, call: InferenceCall) -> str:
    """What the route is chosen by: the cell of a switchback, else the caller's key, else the request."""
    unit = endpoint.unit
    if unit.switchback and unit.entity in call.inputs:
        keys = call.inputs[unit.entity].texts()
        return switchback_unit(keys[0], call.at_us, unit.window_s)
    if call.key is not None and len(call.key) > _MAX_ID:
        raise InvalidInput(f"The routing key is longer than {_MAX_ID} characters.", fix="Send a shorter one.")
    return call.key or call.request_id


def _check_outputs(call: InferenceCall, version: LoadedVersion) -> None:
    """Refuse a request for outputs that there are not."""
    for name in call.wanted or ():
        if name not in version.outputs:
            raise InvalidInput(f"There is no output {name!r}.", fix=f"The outputs are: {', '.join(version.outputs)}.")


def _print_failure(version: LoadedVersion, failure: BaseException | None) -> None:
    print(f"version {version.id} ({version.model} {version.number}) failed:", file=sys.stderr)
    traceback.print_exception(failure, file=sys.stderr)
