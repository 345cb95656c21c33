"""Which platform is open, for the handles that a project file holds (`tw.dataset("rides")`, feature sets, steps).

A project declares things before any platform exists; its handles look up the room they need when they are used.
`app.open` enters the rooms here. Lower rooms never see the platform itself, only the room class they ask for.

`active_run` is the id of the tracking run that the current work belongs to: tracking sets it, registry reads it, and
neither knows the other. So it is with `tell_read`: data and features tell what is read, tracking hears it.

Where nothing has been opened, the environment may say what is meant (`TIDEWHEEL_URL`, `TIDEWHEEL_HOME`, an install in
the working folder): a training script then needs no line about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from importlib import import_module
from typing import TypeVar, cast

from tidewheel.base.draws import undisturbed_draws
from tidewheel.base.errors import Unavailable

Room = TypeVar("Room")
active_run: ContextVar[str | None] = ContextVar("tidewheel_active_run", default=None)
OPENER = "tidewheel.client:open_as_environment_says"  # named, not imported: it lies above
Rooms = dict[type, object]
Lookup = Callable[[type], object]
_open_rooms: list[Rooms | Lookup] = []
_readers: list[Callable[[str, str, str], None]] = []


def enter(rooms: Iterable[object]) -> Rooms:
    """Make these rooms the current ones; the returned token is handed to `leave`."""
    token = {type(room): room for room in rooms}
    _open_rooms.append(token)
    return token


def enter_lookup(find: Lookup) -> Lookup:
    """Make the rooms that `find` answers for a class the current ones; it is the token for `leave`."""
    _open_rooms.append(find)
    return find


def leave(token: Rooms | Lookup) -> None:
    """Forget the rooms entered with `token`; the ones entered before are current again."""
    _open_rooms[:] = [rooms for rooms in _open_rooms if rooms is not token]


def current(room: type[Room]) -> Room:
    """The open platform's room of this class.

    Raises:
        Unavailable: if no platform is open in this process.
    """
    found = _find(room)
    if found is None and not _open_rooms:
        module, _, opener = OPENER.partition(":")
        with undisturbed_draws():
            getattr(import_module(module), opener)()
        found = _find(room)
    if found is not None:
        return found
    raise Unavailable(
        f"No platform is open, so there is no {room.__name__.lower()} to ask.",
        fix="Call tidewheel.open(home) or tidewheel.connect(url) first, or set TIDEWHEEL_HOME or TIDEWHEEL_URL.",
    )


def on_read(hear: Callable[[str, str, str], None]) -> None:
    """Let `hear(kind, name, version)` be called with all that is read; it must be quick and raise nothing."""
    if hear not in _readers:
        _readers.append(hear)


def tell_read(kind: str, name: str, version: str) -> None:
    """Say that the current work has read a version of something: ``("data", "rides", "4")``."""
    for hear in _readers:
        hear(kind, name, version)


def _find(room: type[Room]) -> Room | None:
    for rooms in reversed(_open_rooms):
        found = rooms.get(room) if isinstance(rooms, dict) else rooms(room)
        if found is not None:
            return cast(Room, found)  # or a remote room, which stands in for its class
    return None
