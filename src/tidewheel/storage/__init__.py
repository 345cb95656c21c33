"""Floor 1: where state lives. Metadata, journal, blobs, tables, key-value, leases and mapped log segments.

Verbs: `Metadata.read | change | record`, `Change.emit`, `Leases.acquire | renew | release`, `open_backend`, and those
of the contracts (`contracts.py`). Owns `journal_entries`, `journal_edges`, `storage_leases`. Emits nothing of its
own: rooms emit through `Change`. Reads no events.
"""

from tidewheel.storage.backends import open_backend
from tidewheel.storage.contracts import Blobs, KeyValue, Tables, TableVersion
from tidewheel.storage.journal import Entry, acting
from tidewheel.storage.leases import Lease, Leases
from tidewheel.storage.metadata import Change, Metadata, sqlite_url
from tidewheel.storage.schema import Json, schema

__all__ = [
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
