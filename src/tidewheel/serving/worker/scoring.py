"""Scoring as MLflow's and KServe v1's clients ask for it: `POST /invocations`, `POST /v1/models/{name}:predict`.

The rows meet the same path as the Open Inference Protocol's: routed, logged, answered with the same figures. As in
MLflow, columns that the endpoint does not know are left out; and answers are `{"predictions": [...]}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError
from tidewheel.serving.worker.answer_tensors import model_tensors
from tidewheel.serving.worker.calls import Answer, Explanation, Input
from tidewheel.serving.worker.endpoints import EndpointTable
from tidewheel.serving.worker.http_answers import JSON
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.rest import RestCall, Submit, refuse, text_of
from tidewheel.serving.worker.scoring_formats import Scoring, read_csv, read_json

_PREDICT = ":predict"
_encode = msgspec.json.Encoder().encode


class Predictions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer: a number a row; a list, where the one output has more; an object of several outputs.

    `explanation` is there where `params` asked for it: its tensors as nested lists, and its texts, by name.
    """

    predictions: Sequence[float | list[Any] | dict[str, Any] | None]
    explanation: dict[str, list[Any] | str] | None = None


class ScoringCall(RestCall):
    """A scoring request; its id and version are in its answer's headers, as the body has no place for them."""

    __slots__ = ()

    def answer(self, answer: Answer) -> None:
        extra = b"x-request-id: %b\r\nx-tidewheel-version: %b\r\n" % (
            answer.request_id.encode(),
            answer.version.id.encode(),
        )
        self.send(_encode(_explained(predictions_of(answer), answer.explanation)), JSON, extra)


class ScoringRest:
    """Takes scoring exchanges; `submit` takes the calls that it makes of them."""

    def __init__(self, table: Callable[[], EndpointTable], submit: Submit) -> None:
        self._table = table
        self._submit = submit

    def invoke_only(self, exchange: Exchange) -> None:
        """`POST /invocations`: asks the endpoint named by X-Tidewheel-Endpoint, or the only one there is."""
        try:
            name = text_of(exchange.headers.get(b"x-tidewheel-endpoint")) or _only(self._table())
        except TidewheelError as error:
            refuse(exchange, error)
            return
        self.invoke(exchange, name)

    def invoke(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`POST /v2/models/{name}[/versions/{asked}]/invocations`"""
        try:
            call = self._read(exchange, name, asked)
        except TidewheelError as error:
            refuse(exchange, error)
            return
        self._submit(call)

    def predict(self, exchange: Exchange, name: str, asked: str | None = None) -> None:
        """`POST /v1/models/{name}:predict`"""
        if asked is not None or not name.endswith(_PREDICT):
            exchange.refuse(404, "There is nothing at this address. Predictions are at /v1/models/{name}:predict.")
            return
        self.invoke(exchange, name.removesuffix(_PREDICT))

    def _read(self, exchange: Exchange, name: str, asked: str | None) -> ScoringCall:
        scoring = _scoring_of(exchange)
        known = self._table().endpoint(name).known_inputs
        inputs = _known_of(scoring.inputs, known)
        request_id = text_of(exchange.headers.get(b"x-request-id")) or ""
        return ScoringCall(exchange, name, inputs, asked=asked, request_id=request_id, parameters=scoring.params)


def predictions_of(answer: Answer) -> Predictions:
    """An answer's figures, as MLflow lays them out."""
    names, outputs = answer.version.outputs, answer.outputs
    if answer.version.output_tensors:
        tensors = [values.tolist() for *_, values in model_tensors(answer)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*tensors, strict=True)]
        return Predictions(rows if len(names) > 1 else tensors[0])
    if len(names) > 1:
        return Predictions([dict(zip(names, row, strict=True)) for row in outputs.tolist()])
    return Predictions(outputs[:, 0].tolist() if outputs.shape[1] == 1 else outputs.tolist())


def _explained(predictions: Predictions, explanation: Explanation | None) -> Predictions:
    """The body with what its request asked to be told beside."""
    if explanation is None:
        return predictions
    told = {name: each if isinstance(each, str) else each.tolist() for name, each in explanation.items()}
    return msgspec.structs.replace(predictions, explanation=told)


def _scoring_of(exchange: Exchange) -> Scoring:
    kind = exchange.headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind == b"text/csv":
        return read_csv(exchange.body)
    if kind.endswith(b"json") or kind in (b"", b"application/x-www-form-urlencoded"):  # curl's -d says the latter
        return read_json(exchange.body)
    raise InvalidInput(f"The Content-Type is {text_of(kind[:100])!r}.", fix="Send application/json or text/csv.")


def _known_of(inputs: Sequence[Input], known: frozenset[str]) -> Sequence[Input]:
    """The columns that the endpoint knows; all of them if it knows none, for the refusal to name them."""
    return [given for given in inputs if given.name in known] or inputs


def _only(table: EndpointTable) -> str:
    names = sorted(table.endpoints)
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFound("There is no endpoint.", fix="Deploy a model: `tidewheel deploy MODEL --endpoint …`.")
    raise InvalidInput(
        f"There are {len(names)} endpoints, and the request names none.",
        fix=f"Send X-Tidewheel-Endpoint, or ask /v2/models/NAME/invocations. There are: {', '.join(names[:10])}.",
    )
