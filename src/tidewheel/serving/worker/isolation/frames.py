"""What a worker and the process of a model say to each other: frames over a socket pair.

    frame = kind (1 byte), zeros (3), columns (4), rows or bytes (8), all little-endian; then
            rows x columns float64 for ROWS and OUTPUTS, or that many bytes of JSON for the others

The other side runs a model's code, so nothing it says is believed before it is checked: a frame has a bound, and no
byte of it is ever executed.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<B3xIQ")
_MOST_BYTES = 2**33
_MOST_COLUMNS = 2**24  # of an image, say, that is one row
_MOST_TEXT_BYTES = 2**24


class Kind(IntEnum):
    """What a frame is."""

    TASK = 1
    """What to load: sent once, by the worker."""
    READY = 2
    """The model is loaded."""
    ROWS = 3
    OUTPUTS = 4
    REFUSED = 5
    """A Tidewheel error, told as JSON."""
    FAILED = 6
    """Any other exception: its type's name and its message, as JSON."""


_OF_NUMBERS = (Kind.ROWS, Kind.OUTPUTS)


class BadFrame(Exception):
    """The other side has not kept to the form above, or has gone: nothing more can be said to it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `numbers` of shape (rows, columns) or `text`, by its kind."""

    kind: Kind
    numbers: NDArray[np.float64] | None = None
    text: bytes = b""


def send(connection: socket.socket, frame: Frame, deadline: float | None = None) -> None:
    """Send a frame.

    Raises:
        TimeoutError: if it could not be sent by `deadline` (monotonic seconds).
        OSError: if the other side is gone.
    """
    connection.settimeout(_left(deadline))
    if frame.numbers is None:
        connection.sendall(_HEADER.pack(frame.kind, 0, len(frame.text)) + frame.text)
        return
    rows, columns = frame.numbers.shape
    head = _HEADER.pack(frame.kind, columns, rows)
    body = np.ascontiguousarray(frame.numbers, dtype="<f8").data.cast("B") if frame.numbers.size else b""
    if len(body) <= 65_536:  # one system call for what is small
        connection.sendall(b"".join((head, body)))
        return
    connection.sendall(head)
    connection.settimeout(_left(deadline))
    connection.sendall(body)


def receive(connection: socket.socket, deadline: float | None = None, rows: int | None = None) -> Frame:
    """Receive a frame; where it holds numbers, of `rows` rows if that is given.

    Raises:
        BadFrame: if what came is none, is over a bound, or the other side is gone.
        TimeoutError: if it was not there, whole, by `deadline` (monotonic seconds).
    """
    head = bytearray(_HEADER.size)
    _fill(connection, memoryview(head), deadline)
    number, columns, length = _HEADER.unpack(head)
    try:
        kind = Kind(number)
    except ValueError:
        raise BadFrame(f"There is no frame of kind {number}.") from None
    if kind not in _OF_NUMBERS:
        if columns or length > _MOST_TEXT_BYTES:
            raise BadFrame(f"A text of {length} bytes in {columns} columns is more than a frame holds.")
        text = bytearray(length)
        _fill(connection, memoryview(text), deadline)
        return Frame(kind, text=bytes(text))
    if columns > _MOST_COLUMNS or length * max(columns, 1) * 8 > _MOST_BYTES:
        raise BadFrame(f"An array of {length} x {columns} numbers is more than a frame holds.")
    if rows is not None and length != rows:
        raise BadFrame(f"An array of {length} rows came where {rows} were due.")
    numbers = np.empty((length, columns), dtype="<f8")
    if numbers.size:
        _fill(connection, numbers.data.cast("B"), deadline)
    return Frame(kind, numbers=numbers.astype(np.float64, copy=False))


def _fill(connection: socket.socket, room: memoryview, deadline: float | None) -> None:
    """Read until the room is full."""
    while room:
        connection.settimeout(_left(deadline))
        try:
            count = connection.recv_into(room)
        except ConnectionError as error:
            raise BadFrame(f"The other side is gone: {error}.") from None
        if not count:
            raise BadFrame("The other side is gone.")
        room = room[count:]


def _left(deadline: float | None) -> float | None:
    """The seconds until a deadline, for a socket's timeout."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
