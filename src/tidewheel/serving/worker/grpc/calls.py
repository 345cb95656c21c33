"""An inference request that came by gRPC: its answer resolves a future that its method waits for.

A client that cancels, or whose deadline passes, ends the method, which cancels the future: then nobody waits any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tidewheel.base.errors import TidewheelError
from tidewheel.serving.worker.call_options import deadline_of, key_among
from tidewheel.serving.worker.calls import Answer, InferenceCall
from tidewheel.serving.worker.grpc.codec import InferRequest, write_answer


class GrpcCall(InferenceCall):
    """One `ModelInfer`, or one request of a `ModelStreamInfer`. Await `answered` for the bytes of its response.

    `metadata` is the call's; `x-tidewheel-key`, `x-tidewheel-version` and `traceparent` are as in HTTP.

    Raises:
        InvalidInput: if an input is given twice, or key or timeout are none.
    """

    __slots__ = ("_raw", "answered")

    def __init__(self, request: InferRequest, metadata: Mapping[str, str], remaining_s: float | None) -> None:
        super().__init__(
            request.endpoint,
            request.inputs,
            asked=request.asked or metadata.get("x-tidewheel-version"),
            request_id=request.request_id,
            wanted=request.wanted,
            key=metadata.get("x-tidewheel-key") or key_among(request.parameters),
            parameters=request.parameters,
            deadline=deadline_of(remaining_s, request.parameters),
            traceparent=metadata.get("traceparent"),
        )
        self._raw = request.raw
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def answer(self, answer: Answer) -> None:
        if not self.answered.done():
            self.answered.set_result(write_answer(answer, list(self.wanted or ()), self._raw))

    def refuse(self, error: TidewheelError) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)

    def gone(self) -> bool:
        return self.answered.cancelled()
