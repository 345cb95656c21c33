"""The backends that an address may name, one row each, imported only when used.

`open_backend("blobs", "file:///home/x")` looks the scheme up here. A new backend is a new file in this folder, a row in
the table, and its address in `tests/contracts/`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal
from urllib.parse import urlsplit

from tidewheel.base.errors import InvalidInput

Kind = Literal["blobs", "tables", "online"]

BACKENDS: dict[Kind, dict[str, str]] = {
    "blobs": {"file": "tidewheel.storage.backends.local_blobs:LocalBlobs"},
    "tables": {"file": "tidewheel.storage.backends.delta_tables:DeltaTables"},
    "online": {"lmdb": "tidewheel.storage.backends.lmdb_keyvalue:LmdbKeyValue"},
}


def open_backend(kind: Kind, url: str) -> Any:
    """Open the backend that a URL's scheme names.

    Raises:
        InvalidInput: if no backend of this kind has that scheme.
    """
    scheme = urlsplit(url).scheme
    try:
        module, _, name = BACKENDS[kind][scheme].partition(":")
    except KeyError:
        known = ", ".join(sorted(BACKENDS[kind]))
        raise InvalidInput(
            f"No {kind} backend takes {url!r}.", fix=f"Use an address that begins with: {known}."
        ) from None
    return getattr(import_module(module), name).from_url(url)
