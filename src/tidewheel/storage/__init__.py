"""Floor 1: where state lives. Metadata, journal, blobs, tables, key-value, leases and the prediction log.

Verbs: `Metadata.read | change | record`, `Change.emit`, `Leases.acquire | renew | release`, `open_backend`, and those
of the contracts (`contracts.py`). Owns `journal_entries`, `journal_edges`, `storage_leases`, `storage_log_cursors`,
`storage_log_segments` and `storage_log_expired`. Rooms emit through `Change`; of its own it emits only what becomes of
the prediction log, `storage.log.…`. Reads no events but those.

Names are loaded when used: an inference worker needs the prediction log and none of SQLAlchemy or pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.storage.backends import open_backend
    from tidewheel.storage.contracts import Blobs, BlobWriter, KeyValue, Tables, TableVersion
    from tidewheel.storage.journal import Entry, acting
    from tidewheel.storage.leases import Lease, Leases
    from tidewheel.storage.metadata import Change, Metadata, sqlite_url
    from tidewheel.storage.metadata_schema import Json, schema

_HOMES = {
    "BlobWriter": "contracts",
    "Blobs": "contracts",
    "Change": "metadata",
    "Entry": "journal",
    "Json": "metadata_schema",
    "KeyValue": "contracts",
    "Lease": "leases",
    "Leases": "leases",
    "Metadata": "metadata",
    "TableVersion": "contracts",
    "Tables": "contracts",
    "acting": "journal",
    "open_backend": "backends",
    "schema": "metadata_schema",
    "sqlite_url": "metadata",
}
__all__ = [
    "BlobWriter",
    "Blobs",
    "Change",
    "Entry",
    "Json",
    "KeyValue",
    "Lease",
    "Leases",
    "Metadata",
    "TableVersion",
    "Tables",
    "acting",
    "open_backend",
    "schema",
    "sqlite_url",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
