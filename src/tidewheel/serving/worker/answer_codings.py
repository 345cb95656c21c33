"""Answers compressed for clients that ask for exactly that, as tritonclient's `response_compression_algorithm` does.

A client that lists every coding it can read, as HTTP libraries do unasked, gets its answer as it is: packing costs more
than a short answer's way over the wire. One that names a single coding wants it (RFC 9110 12.5.3). Called by `rest`.
"""

from __future__ import annotations

import zlib

_WINDOW = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
_FEWEST_BYTES = 1024
_MOST_BYTES = 2**20
"""Packing a megabyte keeps the event loop for some 10 ms, and everybody waits for it."""


def packed(body: bytes, accepted: bytes | None) -> tuple[bytes, bytes]:
    """The body to send, and the headers that say how it is packed: none where packing is not asked for or worth it."""
    if accepted is None or not _FEWEST_BYTES <= len(body) <= _MOST_BYTES:
        return body, b""
    coding = accepted.strip().lower()
    window = _WINDOW.get(coding)
    if window is None:
        return body, b""
    packer = zlib.compressobj(1, zlib.DEFLATED, window)
    return packer.compress(body) + packer.flush(), b"content-encoding: " + coding + b"\r\nvary: accept-encoding\r\n"
