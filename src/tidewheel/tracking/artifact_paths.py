"""Which paths an artifact may have. Pure; every way in goes through `check_path`, so nothing leaves the namespace.

A path is relative, with forward slashes. It is refused if it climbs, however often it was percent-encoded: what one
proxy or client decodes once more must not mean another place.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from tidewheel.base.errors import InvalidInput

MAX_PATH_BYTES = 2000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:(/|$)")
_MOST_DECODINGS = 10


def check_path(path: str) -> str:
    """The path itself, if an artifact may have it.

    >>> check_path("1/run_7/artifacts/model/MLmodel")
    '1/run_7/artifacts/model/MLmodel'
    """
    if _UNPRINTABLE.search(path) or len(path.encode()) > MAX_PATH_BYTES or not all(map(_stays, (path, decoded(path)))):
        raise refused(path)
    return path


def join_path(*parts: str) -> str:
    """One path of a root and what lies below it; empty parts fall out."""
    return "/".join(part for part in parts if part)


def decoded(path: str) -> str:
    """A path with its percent-encoding undone, as often as it was done."""
    for _ in range(_MOST_DECODINGS):
        plain = unquote(path)
        if plain == path:
            return path
        path = plain
    raise refused(path)


def refused(path: str) -> InvalidInput:
    """The refusal of a path."""
    return InvalidInput(
        f"{path[:80]!r} is not an artifact path.",
        fix="Use a relative path with forward slashes and without '..', of at most 2,000 bytes.",
    )


def _stays(path: str) -> bool:
    climbs = any(part in ("", ".", "..") for part in path.split("/"))
    return not climbs and "\\" not in path and "\x00" not in path and not _DRIVE.match(path)
