"""A small room with doors, real metadata and journal, for the tests of the engine: a library that lends books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tidewheel.base.clock import SystemClock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, GateSaidNo, NotFound, Unauthenticated
from tidewheel.base.settings import Settings
from tidewheel.storage import Metadata, schema, sqlite_url


@dataclass(frozen=True, slots=True)
class Edition:
    year: int
    pages: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the library lends."""

    title: str
    edition: Edition
    at: datetime
    tags: tuple[str, ...] = ()
    notes: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None


class Library:
    """Lends books."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self.books: dict[str, Book] = {}

    @door("POST", "/library/books")
    def add(
        self, title: str, edition: Edition, at: datetime, tags: tuple[str, ...] = (), score: float | None = None
    ) -> Book:
        """Add a book.

        It can be lent at once.
        """
        if title in self.books:
            raise Conflict(f"There is a book {title!r} already.", fix="Give it another title.", where="title")
        self.books[title] = Book(title=title, edition=edition, at=at, tags=tags, notes={"weight": 1.5}, score=score)
        with self._metadata.change() as change:
            change.emit("library.book.added", f"book:{title}")
        return self.books[title]

    @door("GET", "/library/books/{title}")
    def book(self, title: str) -> Book:
        """One book by its title."""
        if title not in self.books:
            raise NotFound(f"There is no book {title!r}.", fix="Add it.")
        return self.books[title]

    @door("GET", "/library/books")
    def search(
        self, tags: list[str] | None = None, since: datetime | None = None, limit: int = 10, rare: bool = False
    ) -> list[Book]:
        """Books that carry a tag."""
        found = [book for book in self.books.values() if not tags or set(tags) & set(book.tags)]
        return [book for book in found if (since is None or book.at >= since) and not rare][:limit]

    @door("DELETE", "/library/books/{title}", role="admin")
    def remove(self, title: str) -> None:
        """Remove a book."""
        self.books.pop(title)

    @door("POST", "/library/lend/{title}")
    def lend(self, title: str, days: int = 7) -> dict[str, int]:
        """Lend a book, which the library never does."""
        raise GateSaidNo(f"{title} is not lent for {days} days.")

    @door("POST", "/library/burn")
    def burn(self) -> None:
        """Fails in a way that no one foresaw."""
        raise ValueError("secret of the house")


@dataclass(frozen=True, slots=True)
class Reader:
    name: str
    role: str


class Desk:
    """Stands for governance: knows the tokens that a test hands out."""

    def __init__(self) -> None:
        self.tokens: dict[str, Reader] = {}

    def has_tokens(self) -> bool:
        return bool(self.tokens)

    def authenticate(self, token: str) -> Reader:
        if token not in self.tokens:
            raise Unauthenticated("This token is not known.", fix="Create one.")
        return self.tokens[token]


class TownLibrary:
    """Stands for the platform: as much of it as the engine asks for."""

    def __init__(self, home: Path) -> None:
        self.metadata = Metadata(sqlite_url(home / "metadata.db"), SystemClock())
        schema.create_all(self.metadata.engine)
        self.settings = Settings({"server.max_body_bytes": 2000}, environ={})
        self.governance = Desk()
        self.library = Library(self.metadata)


OPENED_AT = datetime(2026, 1, 31, 6, tzinfo=UTC)
