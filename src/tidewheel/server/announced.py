"""The control plane's server, which says where it answers once it does; and its port, bound before anything starts.

uvicorn binds late and ends the process if it cannot; here a taken port is an error like any other. Called by `serve`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from tidewheel.base.errors import Conflict


class AnnouncedServer(uvicorn.Server):
    """A server that calls `ready` when it has begun to answer."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def bind(host: str, port: int) -> socket.socket:
    """A socket of this address that does not listen yet; port 0 takes a free one.

    Raises:
        Conflict: if the address cannot be had: another process listens there, or it is not this machine's.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise Conflict(
            f"The control plane cannot answer at {host}:{port}: {str(error).rstrip('.')}.",
            where="server.port",
            fix="Stop what listens there, or give another --port.",
        ) from None
    return bound


def address(host: str, bound: socket.socket) -> str:
    """The URL of a bound socket."""
    return f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
