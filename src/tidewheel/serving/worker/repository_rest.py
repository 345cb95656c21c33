"""The model repository extension over HTTP: index, load and unload, with the empty bodies that tritonclient sends."""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from tidewheel.base.errors import InvalidInput, TidewheelError
from tidewheel.serving.worker.http_protocol import Exchange
from tidewheel.serving.worker.repository import Repository
from tidewheel.serving.worker.rest import refuse


class IndexRequest(msgspec.Struct):
    """The body of an index request; it may be empty."""

    ready: bool = False


class RepositoryRest:
    """Answers `/v2/repository/…`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def index(self, exchange: Exchange) -> None:
        """`POST /v2/repository/index`"""
        try:
            wanted = msgspec.json.decode(exchange.body or b"{}", type=IndexRequest)
        except msgspec.DecodeError as error:
            refuse(exchange, InvalidInput(f"The body is not an index request: {error}.", fix='Send {"ready": true}.'))
            return
        entries = [asdict(entry) for entry in self._repository.index(wanted.ready)]
        exchange.answer(200, msgspec.json.encode(entries))

    def load(self, exchange: Exchange, name: str, _version: str | None = None) -> None:
        """`POST /v2/repository/models/{name}/load`: answers when the endpoint's models are in memory."""

        def done(error: TidewheelError | None) -> None:
            if error is None:
                exchange.answer(200, b"{}")
            else:
                refuse(exchange, error)

        try:
            self._repository.load(name, done)
        except TidewheelError as error:
            refuse(exchange, error)

    def unload(self, exchange: Exchange, name: str, _version: str | None = None) -> None:
        """`POST /v2/repository/models/{name}/unload`"""
        try:
            self._repository.unload(name)
        except TidewheelError as error:
            refuse(exchange, error)
        else:
            exchange.answer(200, b"{}")
