"""Opens the online feature store of a home, as `app` does for the control side: LMDB unless the settings say else."""

from __future__ import annotations

from pathlib import Path

from tidewheel.base.settings import Settings
from tidewheel.storage.backends import open_backend
from tidewheel.storage.contracts import KeyValue


def open_online(home: Path, settings: Settings) -> KeyValue:
    """The store that feature plans read from."""
    store: KeyValue = open_backend("online", settings.get("storage.online_url", str) or f"lmdb://{home / 'online'}")
    return store
