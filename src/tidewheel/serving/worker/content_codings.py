"""Request bodies that come compressed, as tritonclient can send them: gzip and deflate (RFC 9110 8.4.1), in bounds.

A kilobyte can stand for a gigabyte, so no more is unpacked than a body may have. Pure; called by `http_protocol`.
"""

from __future__ import annotations

import zlib

from tidewheel.base.errors import InvalidInput, TooLarge

ACCEPTED_CODINGS = b"accept-encoding: gzip, deflate, identity\r\n"
_WINDOW = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
_PLAIN = (b"", b"identity")


def is_known_coding(coding: bytes) -> bool:
    """Whether a body of this Content-Encoding can be read; several at once are not."""
    coding = coding.strip().lower()
    return coding in _PLAIN or coding in _WINDOW


def decoded(body: bytes, coding: bytes, max_bytes: int) -> bytes:
    """A body as it was before it was encoded.

    Raises:
        InvalidInput: if it is not what its coding says, or is cut short.
        TooLarge: if it has more than `max_bytes`.
    """
    coding = coding.strip().lower()
    if coding in _PLAIN:
        return body
    unpacker = zlib.decompressobj(_WINDOW[coding])
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f"The body is not {coding.decode()}: {error}.") from None
    if len(plain) > max_bytes:
        raise TooLarge(f"The body unpacks to more than {max_bytes} bytes.")
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidInput(f"The body is not one whole {coding.decode()} stream.", fix="Send it again, whole.")
    return plain
