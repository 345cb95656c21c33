"""Takes labels over HTTP: `POST /api/v1/serving/labels`, acknowledged when they are in the mapped log."""

from __future__ import annotations

import msgspec

from tidewheel.base.clock import Clock
from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.serving.labelling import LabelInput, to_label
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.metrics import Meters
from tidewheel.storage.predictions.writer import PredictionWriter


class LabelBody(msgspec.Struct):
    """The body of a labels request."""

    labels: list[LabelInput]


class Accepted(msgspec.Struct, frozen=True):
    """The answer: how many labels are in the log."""

    accepted: int


_decode = msgspec.json.Decoder(LabelBody).decode


class LabelTaker:
    """Answers labels requests: all of one are taken, or none."""

    def __init__(self, log: PredictionWriter, clock: Clock, meters: Meters) -> None:
        self._log = log
        self._clock = clock
        self._meters = meters

    def take(self, exchange: Exchange) -> None:
        """Log the labels of a request and say how many there were."""
        try:
            try:
                body = _decode(exchange.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise InvalidInput(
                    f"The body is not a list of labels: {error}.",
                    fix='Send {"labels": [{"id": prediction id, "values": {"accepted": 1.0}}]}.',
                ) from None
            now_us = self._clock.now_us()
            self._log.append_labels([to_label(given, now_us) for given in body.labels])
        except TidewheelError as error:
            exchange.refuse(error.status, str(error))
            return
        self._meters.count_labels(len(body.labels))
        exchange.answer(200, msgspec.json.encode(Accepted(len(body.labels))))
