"""Whether an endpoint has answered lately, as the log's segments tell. Asked before an endpoint is deleted.

A sealed segment is as old as its file; those still open are read, which takes up to a second each. What is not logged
(`log_share`) is not seen.
"""

from __future__ import annotations

from pathlib import Path

from tidewheel.storage.predictions.records import decode_predictions
from tidewheel.storage.predictions.segments import Segment, read_segment, segments

_AT_ONCE = 20_000


def answered_since(folder: Path, endpoint: str, since_us: int) -> bool:
    """Whether a live request to an endpoint was logged at or after an instant."""
    return any(
        _holds(segment, endpoint, since_us)
        for segment in segments(folder, "predictions")
        if not segment.sealed or _written_us(segment) >= since_us
    )


def _holds(segment: Segment, endpoint: str, since_us: int) -> bool:
    offset, more = 0, True
    while more:
        frames = read_segment(segment, offset, _AT_ONCE)
        for _, payload in frames.found:
            for each in decode_predictions(payload):
                if each.endpoint == endpoint and each.arm == "live" and each.at_us >= since_us:
                    return True
        offset, more = frames.end, frames.full
    return False


def _written_us(segment: Segment) -> int:
    try:
        return segment.path.stat().st_mtime_ns // 1000
    except FileNotFoundError:  # compacted since it was found: it had been read by all, and is old
        return 0
