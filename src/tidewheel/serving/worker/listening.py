"""The socket that a worker listens on, and how it stops listening without losing a caller.

All workers of a port listen on it, each with a queue of its own in the kernel: what waits in the queue of a socket that
is closed is reset. So a draining worker takes what is there in the instant before it closes. Called by `process`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket that all workers of the port share; the kernel spreads connections over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.listen(backlog)
    listening.setblocking(False)
    return listening


async def stop_listening(server: asyncio.Server, kept: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
    """Close a server; whoever the kernel has connected by then is still served, by a `protocol` each.

    `kept` is a duplicate of the server's socket: it holds the queue open until it has been emptied.
    """
    server.close()
    await asyncio.sleep(0)  # the loop closes its own handle
    last = []
    while True:
        try:
            last.append(kept.accept()[0])
        except BlockingIOError:
            kept.close()  # at once: between the two nobody else gets a turn here
            break
        except ConnectionError:  # one that has gone again
            continue
    loop = asyncio.get_running_loop()
    for connection in last:
        await loop.connect_accepted_socket(protocol, connection)
