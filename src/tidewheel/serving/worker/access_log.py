"""The access log: one JSON line a request in `<home>/logs/access-w<index>.jsonl`, for `jq`, Loki and the like.

Lines are kept in memory and written a few times a second, so a request costs about a microsecond; `kill -9` may lose
the last quarter of a second of them, and never a prediction. When a file has reached its size it becomes `….1`, over
the one before.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from tidewheel.serving.worker.calls import InferenceCall, Outcome


class _Line(msgspec.Struct):
    at: float
    endpoint: str
    version: str
    arm: str
    request_id: str
    status: int
    latency_us: int
    rows: int


_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes the lines of one worker; fits `predict.Observer`."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []

    def finished(self, call: InferenceCall, version_id: str, outcome: Outcome, latency_s: float) -> None:
        """Write a request down. Its `at` is the machine's time, in seconds since 1970."""
        rows = 0 if outcome.outputs is None else len(outcome.rows)
        latency_us = round(latency_s * 1e6)
        line = _Line(
            time.time(), call.endpoint, version_id, call.arm, call.request_id, outcome.status, latency_us, rows
        )
        self._lines.append(_encode(line))

    def flush(self) -> None:
        """Put what has gathered into the file."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        lines.append(b"")
        try:
            with self._path.open("ab") as file:
                file.write(b"\n".join(lines))
                size = file.tell()
            if size > self._max_bytes:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        except OSError as error:  # a full disk, say: these lines are lost, and nothing else
            print(f"{len(lines) - 1} lines of the access log are lost: {error}", file=sys.stderr)
