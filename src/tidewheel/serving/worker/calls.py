"""A request on its way: what any protocol's codec read, where it was routed, what a version made of it, what is logged.

`InferenceCall` is the seam between protocols and the path of a prediction: a codec makes one of each request and hands
it to `Inference.submit`; it is answered once, through `answer` or `refuse`, on the event loop. Nothing here knows HTTP,
gRPC or models.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.registry.tensors import TensorSpec
from tidewheel.serving.worker.call_options import asks_why
from tidewheel.storage.predictions.records import Prediction, RowsPrediction
from tidewheel.storage.predictions.writer import PredictionWriter


class Input(Protocol):
    """One named input: of a request (`inference_codec.Tensor`) or a column of a table (`batch`)."""

    @property
    def name(self) -> str: ...
    def numbers(self) -> NDArray[np.float64]:
        """Its values as float64, (rows,), (rows, columns) or of more dimensions."""

    def texts(self) -> list[str]:
        """Its values as strings."""


class AnsweringVersion(Protocol):
    """What an answer says of the version that gave it."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def outputs(self) -> list[str]: ...
    @property
    def output_tensors(self) -> Sequence[TensorSpec]:
        """What lies in the columns of its outputs, where they are no table; else none."""


Explanation = Mapping[str, NDArray[np.float64] | str]
"""What is answered beside the outputs of a request that asked why: tensors and texts by name."""


class Answer(msgspec.Struct, frozen=True):
    """What a version answered: `outputs` is (rows, columns), a column each name, or all columns of a single name.

    Where the version has `output_tensors`, these lie in the columns one behind another.
    """

    endpoint: str
    version: AnsweringVersion
    request_id: str
    outputs: NDArray[np.float64]
    explanation: Explanation | None = None
    """Feature attributions, where the request asked for them."""


class InferenceCall:
    """One inference request of any protocol. A protocol's codec fills the first part, `Inference` the second.

    Raises:
        InvalidInput: if an input is given twice, or its parameters do not say clearly whether it is to be explained.
    """

    __slots__ = (
        "arm",
        "asked",
        "at_us",
        "began",
        "body_bytes",
        "deadline",
        "deadline_is_own",
        "endpoint",
        "explains",
        "inputs",
        "key",
        "parameters",
        "request_id",
        "traceparent",
        "unit",
        "wanted",
    )

    def __init__(
        self,
        endpoint: str,
        inputs: Sequence[Input],
        *,
        asked: str | None = None,
        request_id: str = "",
        wanted: Sequence[str] | None = None,
        key: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        traceparent: str | None = None,
    ) -> None:
        self.began = perf_counter()
        self.endpoint = endpoint
        self.inputs: Mapping[str, Input] = {tensor.name: tensor for tensor in inputs}
        if len(self.inputs) != len(inputs):
            raise InvalidInput("An input is given twice.", fix="Give each input once.")
        self.asked = asked
        """The version asked for by name, or None for the route's choice."""
        self.request_id = request_id
        self.wanted = wanted
        """The outputs asked for by name; none = all."""
        self.key = key
        """What the caller's route is chosen by, if given."""
        self.parameters = parameters or {}
        self.explains = asks_why(parameters)
        """Whether its answer is to say why."""
        self.deadline = deadline
        """`time.monotonic()` after which it is not computed."""
        self.deadline_is_own = True
        """Whether the caller set the deadline, and not the endpoint: then its passing says nothing of a version."""
        self.body_bytes = 0
        """The size of the body that the inputs were read from, and may still lie in."""
        self.traceparent = traceparent
        """The caller's trace, as W3C Trace Context writes it."""
        self.at_us = 0
        self.unit = ""
        self.arm = ""

    def limit_to(self, timeout_ms: float) -> None:
        """Do not compute it later than this from now; an earlier deadline of its own stands."""
        latest = time.monotonic() + timeout_ms / 1e3
        if self.deadline is None or latest < self.deadline:
            self.deadline, self.deadline_is_own = latest, False

    def answer(self, answer: Answer) -> None:
        """Send an answer; called once, on the event loop, and never together with `refuse`."""
        raise NotImplementedError

    def refuse(self, error: TidewheelError) -> None:
        """Send an error."""
        raise NotImplementedError

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more, so that it need not be computed."""
        return False


class Call(msgspec.Struct, frozen=True):
    """A routed request, as logs and shadows need it: its id, instant, the unit it was routed by, and its inputs."""

    id: str
    at_us: int
    endpoint: str
    unit: str
    inputs: Mapping[str, Input]
    body_bytes: int = 0


@dataclass(slots=True)
class Outcome:
    """What a version made of a call. `outputs` is None where it failed; then `rows` may be empty too."""

    status: int
    latency_s: float
    rows: NDArray[np.float64]
    entities: dict[str, list[str]]
    outputs: NDArray[np.float64] | None
    explanation: Explanation | None = None


class LoggedVersion(Protocol):
    """The version that a record names."""

    @property
    def id(self) -> str: ...


def log_outcome(log: PredictionWriter, call: Call, version: LoggedVersion, arm: str, outcome: Outcome) -> int:
    """Log what a version made of a call, and return the number of rows: `<id>` for one, `<id>:<i>` for row i of many.

    Raises:
        Unavailable: if the disk has no room for them. None is then logged.
    """
    count, entities, outputs = len(outcome.rows), outcome.entities, outcome.outputs
    fixed = (call.at_us, call.endpoint, version.id, arm, call.unit, outcome.status, round(outcome.latency_s * 1e6))
    features, answers = outcome.rows.tobytes(), b"" if outputs is None else outputs.tobytes()
    if count == 1:
        keys = {name: values[0] for name, values in entities.items()} if entities else {}
        log.append(Prediction(call.id, *fixed, keys, features, answers))
    elif count:
        log.append_rows(RowsPrediction(call.id, *fixed, entities, features, answers), count)
    return count


NO_ROWS = np.empty((1, 0))
"""Stands for the rows of a request that failed before it had any: one record, no features."""
