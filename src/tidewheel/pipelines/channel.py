"""Messages between a runner and those it works for: one JSON object a line, over a socket pair.

A peer that dies closes its end, and that is how the other knows.
"""

from __future__ import annotations

import json
import select
import socket
from typing import Any

from tidewheel.pipelines.executor import ExecutorLost


class Channel:
    """One end of a conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    def fileno(self) -> int:
        """For `select`."""
        return self._connection.fileno()

    def send(self, **message: Any) -> None:
        """Say something.

        Raises:
            ExecutorLost: if the peer is gone.
        """
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ExecutorLost("The pipelines' runner process is gone.", fix="Drive the run again.") from error

    def receive(self, timeout_s: float = 0.0) -> list[dict[str, Any]] | None:
        """What was said, waiting up to `timeout_s` for it; None if the peer is gone."""
        if not select.select([self._connection], [], [], timeout_s)[0]:
            return []
        try:
            data = self._connection.recv(1 << 16)
        except ConnectionError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
