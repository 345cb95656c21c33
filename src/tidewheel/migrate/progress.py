"""How an import tells how far it is. The command line draws it; code that imports on its own may leave it out."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the importing thread, often: it must be quick and must not fail."""

    def begin(self, step: str, total: int | None = None) -> None:
        """A step of the import begins, with so many things to do if that is known."""

    def advance(self, things: int = 1, *, points: int = 0, files: int = 0, size_bytes: int = 0) -> None:
        """So much more of the step is done."""


class Silent:
    """Tells nobody."""

    def begin(self, step: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, things: int = 1, *, points: int = 0, files: int = 0, size_bytes: int = 0) -> None:
        """Nothing."""
