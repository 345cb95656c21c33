"""Runs an application on a real loopback socket, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from tidewheel.server.http_protocol import BoundedProtocol

_DEADLINE_S = 10.0


@contextmanager
def listening(app: ASGIApp, protocol: type[BoundedProtocol] = BoundedProtocol) -> Iterator[str]:
    """The address at which `app` answers within the block."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, http=protocol, log_level="critical", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        deadline = time.monotonic() + _DEADLINE_S
        while not server.started and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        try:
            assert server.started, "the server did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(_DEADLINE_S)
