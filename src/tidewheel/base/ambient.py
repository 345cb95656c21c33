"""Which platform is open, for the handles that a project file holds (`tw.dataset("rides")`, feature sets, steps).

A project declares things before any platform exists; its handles look up the room they need when they are used.
`app.open` enters the rooms here. Lower rooms never see the platform itself, only the room class they ask for.

`active_run` is the id of the tracking run that the current work belongs to: tracking sets it, registry reads it, and
neither knows the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TypeVar

from tidewheel.base.errors import Unavailable

Room = TypeVar("Room")
active_run: ContextVar[str | None] = ContextVar("tidewheel_active_run", default=None)
_open_rooms: list[dict[type, object]] = []


def enter(rooms: Iterable[object]) -> dict[type, object]:
    """Make these rooms the current ones; the returned token is handed to `leave`."""
    token = {type(room): room for room in rooms}
    _open_rooms.append(token)
    return token


def leave(token: dict[type, object]) -> None:
    """Forget the rooms entered with `token`; the ones entered before are current again."""
    _open_rooms[:] = [rooms for rooms in _open_rooms if rooms is not token]


def current(room: type[Room]) -> Room:
    """The open platform's room of this class.

    Raises:
        Unavailable: if no platform is open in this process.
    """
    for rooms in reversed(_open_rooms):
        found = rooms.get(room)
        if isinstance(found, room):
            return found
    raise Unavailable(
        f"No platform is open, so there is no {room.__name__.lower()} to ask.",
        fix="Call tidewheel.open(home) first, or run this through `tidewheel up` or `tidewheel run`.",
    )
