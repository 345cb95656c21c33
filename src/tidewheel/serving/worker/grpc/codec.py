"""Messages to calls, answers to messages: `ModelInferRequest` and `ModelInferResponse`.

https://github.com/kserve/open-inference-protocol, gRPC, with Triton's raw contents. Pure; called by `service`, knows
no connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from tidewheel.base.errors import InvalidInput
from tidewheel.serving.worker.answer_tensors import answer_tensors, raw_bytes
from tidewheel.serving.worker.calls import Answer, Input
from tidewheel.serving.worker.grpc.messages import ModelInferRequest, ModelInferResponse
from tidewheel.serving.worker.grpc.tensors import CONTENTS, read_inputs

_UNOFFERED = {"classification": "Ask for the output itself.", "shared_memory_region": "Read it from the answer."}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What one `ModelInferRequest` asks. `raw` says that its tensors came as bytes, and its answer's shall go so."""

    endpoint: str
    asked: str | None
    request_id: str
    inputs: list[Input]
    wanted: list[str]
    parameters: dict[str, Any]
    raw: bool


def parse(kind: Any, data: bytes) -> Any:
    """The message of a class of `messages` in bytes.

    Raises:
        InvalidInput: if they are none.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise InvalidInput(f"The request's {len(data)} bytes are no {name}.", fix="Send one as protobuf.") from None


def read_request(data: bytes) -> InferRequest:
    """The request in the bytes of a `ModelInferRequest`.

    Raises:
        InvalidInput: if they are none, or it is not clear what is asked.
    """
    message = parse(ModelInferRequest, data)
    return InferRequest(
        endpoint=message.model_name,
        asked=message.model_version or None,
        request_id=message.id,
        inputs=read_inputs(message),
        wanted=[_name_of(output) for output in message.outputs],
        parameters=_values_of(message.parameters),
        raw=bool(message.raw_input_contents),
    )


def write_answer(answer: Answer, wanted: list[str], raw: bool) -> bytes:
    """The bytes of the `ModelInferResponse` of an answer; typed contents if asked for, and each datatype has them."""
    version = answer.version
    message = ModelInferResponse(model_name=answer.endpoint, model_version=version.number, id=answer.request_id)
    message.parameters["version"].string_param = version.id
    tensors = answer_tensors(answer)
    raw = raw or any(datatype not in CONTENTS for _, datatype, _, _ in tensors)
    for name, datatype, shape, values in tensors:
        if wanted and name not in wanted and name in version.outputs:
            continue
        tensor = message.outputs.add(name=name, datatype=datatype, shape=shape)
        if raw:
            message.raw_output_contents.append(raw_bytes(values))
        else:
            getattr(tensor.contents, CONTENTS[datatype]).extend(values.ravel().tolist())
    for name, said in (answer.explanation or {}).items():
        if isinstance(said, str):
            message.parameters[name].string_param = said
    return message.SerializeToString()  # type: ignore[no-any-return]


def _name_of(output: Any) -> str:
    for name in output.parameters:
        if name in _UNOFFERED:
            raise InvalidInput(
                f"The output {output.name!r:.100} asks for {name}, which is not offered.", fix=_UNOFFERED[name]
            )
    return output.name  # type: ignore[no-any-return]


def _values_of(parameters: Any) -> dict[str, Any]:
    """Request parameters as Python values; one without a value is left out."""
    chosen = ((name, parameter, parameter.WhichOneof("parameter_choice")) for name, parameter in parameters.items())
    return {name: getattr(parameter, choice) for name, parameter, choice in chosen if choice is not None}
