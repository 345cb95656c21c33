"""Ports that nobody takes meanwhile: below those that the system gives to connections, and to servers that ask for any.

For programs that must be told a port before they bind it. Who may bind one itself asks for port 0.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LEAST = 10_000


def free_ports(count: int = 1) -> int:
    """The first of so many ports in a row that are free."""
    most = int(_GIVEN.read_text().split()[0]) if _GIVEN.exists() else 32_768
    while True:
        first = _LEAST + secrets.randbelow(most - _LEAST - count)
        with ExitStack() as bound:
            try:
                for port in range(first, first + count):
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
