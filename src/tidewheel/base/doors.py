"""A verb's HTTP address, written on the verb itself.

`@door("POST", "/registry/versions/{version_id}/promote")` changes nothing about a method; it only notes where the
method is found under `/api/v1`. The server builds its routes, and the remote client its calls, from these notes and
the method's type hints, so that the three doors of a verb cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Verb = TypeVar("Verb", bound=Callable[..., Any])
Role = Literal["viewer", "developer", "approver", "admin"]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a verb is found over HTTP and the least role that may use it."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    role: Role


def door(
    method: Literal["GET", "POST", "PUT", "DELETE"], path: str, *, role: Role | None = None
) -> Callable[[Verb], Verb]:
    """Note a verb's address below ``/api/v1``; reading needs a viewer, changing a developer, unless `role` says so."""
    note = Door(method, path, role or ("viewer" if method == "GET" else "developer"))

    def annotate(verb: Verb) -> Verb:
        verb.__door__ = note  # type: ignore[attr-defined]
        return verb

    return annotate


def doors_of(room: type) -> Iterator[tuple[str, Door]]:
    """The verbs of a room class that have a door, in the order they are written; those of its parts come first."""
    for part in reversed(room.__mro__):
        for name, member in vars(part).items():
            note = getattr(member, "__door__", None)
            if isinstance(note, Door):
                yield name, note
