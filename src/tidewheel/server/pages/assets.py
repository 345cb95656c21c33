"""The page's static files, read once and addressed with their hash, so that a browser may keep them for ever.

`vendor/` holds htmx and uPlot exactly as published on npm; `vendor/README.md` names versions, hashes and licences.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tidewheel.base.hashing import hash_bytes

STATIC = Path(__file__).parent / "static"
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file."""

    data: bytes
    media_type: str
    etag: str


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Every file that a page may ask for, by its path below `static/`."""
    return {
        path.relative_to(STATIC).as_posix(): Asset(data, _MEDIA[path.suffix], hash_bytes(data)[:16])
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in _MEDIA
        for data in [path.read_bytes()]
    }


def asset(name: str) -> str:
    """The address of a static file, relative to the control plane's root."""
    return f"static/{name}?v={assets()[name].etag}"
