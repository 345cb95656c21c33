"""Inference over HTTP: `POST /v2/models/{name}[/versions/{version}]/infer`, as JSON or with tensors in binary.

https://github.com/kserve/open-inference-protocol, REST, with Triton's binary extension in both directions and its
`timeout` parameter. Makes an `InferenceCall` of an exchange and answers it; what happens between is `predict`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidewheel.base.errors import InvalidInput, Overloaded, TidewheelError, Unavailable
from tidewheel.serving.worker.answer_codings import packed
from tidewheel.serving.worker.answer_tensors import answer_tensors, raw_bytes
from tidewheel.serving.worker.binary_tensors import cut_tensors
from tidewheel.serving.worker.call_options import deadline_of, key_among
from tidewheel.serving.worker.calls import Answer, InferenceCall, Input
from tidewheel.serving.worker.content_types import read_as_said
from tidewheel.serving.worker.http_answers import JSON, RETRY
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.inference_codec import (
    InferRequest,
    RequestedOutput,
    decode_request,
    encode_response,
)

Submit = Callable[[InferenceCall], None]
_HEADER_LENGTH = b"inference-header-content-length"
_BINARY = b"application/octet-stream"
_UNOFFERED = {"classification": "Ask for the output itself.", "shared_memory_region": "Read it from the answer."}


class RestCall(InferenceCall):
    """An inference request of an HTTP exchange."""

    __slots__ = ("_exchange",)

    def __init__(
        self,
        exchange: Exchange,
        endpoint: str,
        inputs: Sequence[Input],
        *,
        asked: str | None = None,
        request_id: str = "",
        wanted: Sequence[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        headers = exchange.headers
        super().__init__(
            endpoint,
            inputs,
            asked=asked or text_of(headers.get(b"x-tidewheel-version")),
            request_id=request_id,
            wanted=wanted,
            key=text_of(headers.get(b"x-tidewheel-key")) or key_among(parameters),
            parameters=parameters,
            deadline=deadline_of(_timeout_s(headers), parameters),
            traceparent=text_of(headers.get(b"traceparent")),
        )
        self.body_bytes = len(exchange.body)
        self._exchange = exchange

    def answer(self, answer: Answer) -> None:
        self.send(encode_response(answer, self.wanted))  # type: ignore[arg-type]

    def send(self, body: bytes, content_type: bytes = JSON, extra: bytes = b"") -> None:
        """Answer with a body, compressed if the client asked for it."""
        accepted = self._exchange.headers.get(b"accept-encoding")
        if accepted is not None:
            body, coding = packed(body, accepted)
            extra += coding
        self._exchange.answer(200, body, content_type, extra)

    def refuse(self, error: TidewheelError) -> None:
        refuse(self._exchange, error)

    def gone(self) -> bool:
        return self._exchange.gone()


class BinaryRestCall(RestCall):
    """One whose answer is to have tensors behind its JSON; `binary` names them, or is None for all."""

    __slots__ = ("binary",)
    binary: frozenset[str] | None

    def answer(self, answer: Answer) -> None:
        tensors = answer_tensors(answer)
        chosen = frozenset(name for name, *_ in tensors) if self.binary is None else self.binary
        head = encode_response(answer, self.wanted, chosen)  # type: ignore[arg-type]
        parts = [raw_bytes(values) for name, _, _, values in tensors if self._is_sent(name, answer, chosen)]
        extra = b"inference-header-content-length: %d\r\n" % len(head)
        self.send(b"".join([head, *parts]), _BINARY, extra)

    def _is_sent(self, name: str, answer: Answer, chosen: frozenset[str]) -> bool:
        return name in chosen and (not self.wanted or name in self.wanted or name not in answer.version.outputs)


class RestInference:
    """Takes inference exchanges; `submit` takes the calls that it makes of them."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    def infer(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """Answer `POST /v2/models/{name}[/versions/{asked}]/infer`, now or later."""
        try:
            call = _read(exchange, name, asked)
        except TidewheelError as error:
            refuse(exchange, error)
            return
        self._submit(call)


def refuse(exchange: Exchange, error: TidewheelError) -> None:
    """Answer an exchange with an error of the one tree."""
    exchange.refuse(error.status, str(error), RETRY if isinstance(error, Unavailable | Overloaded) else b"")


def text_of(value: bytes | None) -> str | None:
    """A header's value as text."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _read(exchange: Exchange, name: str, asked: str | None) -> RestCall:
    length = exchange.headers.get(_HEADER_LENGTH)
    request = decode_request(exchange.body if length is None else _head_of(exchange.body, length))
    inputs: Sequence[Input] = request.inputs
    if length is not None:
        inputs = cut_tensors(request.inputs, memoryview(exchange.body)[int(length) :])
    outputs, parameters = request.outputs, request.parameters
    if parameters is not None or any(tensor.parameters for tensor in request.inputs):
        _check_offered(request, binary=length is not None)
        inputs = read_as_said(request.inputs, inputs, parameters)
    if outputs or (parameters is not None and "binary_data_output" in parameters):
        return _with_outputs(exchange, name, asked, request, inputs)
    return RestCall(exchange, name, inputs, asked=asked, request_id=request.id or "", parameters=parameters)


def _check_offered(request: InferRequest, *, binary: bool) -> None:
    """Refuse what inputs ask for and is not there: data in shared memory, or in binary behind a JSON of no length."""
    for tensor in request.inputs:
        said = tensor.parameters or {}
        if "shared_memory_region" in said:
            raise InvalidInput(
                f"The input {tensor.name!r} is said to lie in shared memory, which is not offered.",
                fix="Send its values in the request.",
            )
        if "binary_data_size" in said and not binary:
            raise InvalidInput(
                "Inputs are said to follow in binary, and the header Inference-Header-Content-Length is missing.",
                fix="Send the length of the JSON in it.",
            )


def _with_outputs(
    exchange: Exchange, name: str, asked: str | None, request: InferRequest, inputs: Sequence[Input]
) -> RestCall:
    """A call that says which outputs it wants, or how."""
    everything = bool((request.parameters or {}).get("binary_data_output", False))
    outputs = request.outputs or []
    for output in outputs:
        for unoffered in _UNOFFERED.keys() & (output.parameters or {}).keys():
            raise InvalidInput(
                f"The output {output.name!r} asks for {unoffered}, which is not offered.", fix=_UNOFFERED[unoffered]
            )
    wanted = [output.name for output in outputs]
    binary = frozenset(output.name for output in outputs if _is_binary(output, everything))
    shared: dict[str, Any] = {"asked": asked, "request_id": request.id or "", "parameters": request.parameters}
    if not binary and not (everything and not outputs):
        return RestCall(exchange, name, inputs, wanted=wanted, **shared)
    call = BinaryRestCall(exchange, name, inputs, wanted=wanted, **shared)
    call.binary = binary if outputs else None
    return call


def _is_binary(output: RequestedOutput, otherwise: bool) -> bool:
    return bool((output.parameters or {}).get("binary_data", otherwise))


def _head_of(body: bytes, length: bytes) -> memoryview:
    if not length.isdigit() or len(length) > 12 or int(length) > len(body):
        raise InvalidInput(
            f"Inference-Header-Content-Length is {text_of(length[:40])!r}, and the body has {len(body)} bytes.",
            fix="It is the length of the JSON before the binary data.",
        )
    return memoryview(body)[: int(length)]


def _timeout_s(headers: Mapping[bytes, bytes]) -> float | None:
    header = headers.get(b"x-tidewheel-timeout-ms")
    if header is None:
        return None
    if not header.isdigit() or len(header) > 9:
        raise InvalidInput(f"X-Tidewheel-Timeout-Ms is {text_of(header[:40])!r}.", fix="Give whole milliseconds.")
    return int(header) / 1e3
