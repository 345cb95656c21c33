"""The room's verbs: the four delivery metrics, and the files that carry a project elsewhere.

`app.py` constructs it. It reads the journal and writes only where an export is asked to; it owns no state.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import get_args

from sqlalchemy import Connection

from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, InvalidInput
from tidewheel.base.units import parse_instant
from tidewheel.delivery.export_files import export_files
from tidewheel.delivery.four_metrics import KINDS, compute
from tidewheel.delivery.records import DeliveryMetrics, Export, ExportKind
from tidewheel.storage import Entry, Metadata
from tidewheel.storage.journal import read_entries

_PAGE = 1000


class Delivery:
    """Says how well models are delivered, and helps to deliver them elsewhere."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    @door("GET", "/delivery/metrics")
    def metrics(
        self, since: datetime | None = None, until: datetime | None = None, endpoint: str | None = None
    ) -> DeliveryMetrics:
        """Deployment frequency, lead time, change failure rate and time to recover, from the journal."""
        since, until = (at and parse_instant(at) for at in (since, until))
        with self._metadata.read() as connection:
            entries = list(_all_entries(connection, KINDS))
            registrations = list(_all_entries(connection, ["registry.version.registered"]))
            commits = {entry.subject: entry.at for entry in _all_entries(connection, ["data.commit."])}
        registered = {_id(entry.subject): entry.at for entry in registrations}
        trained_on = {
            _id(entry.subject): max(found)
            for entry in registrations
            if (found := [commits[node] for node in entry.inputs if node in commits])
        }
        return compute(entries, registered, trained_on, since=since, until=until, endpoint=endpoint)

    def export(self, kind: ExportKind, target_dir: str | Path) -> Export:
        """Write the files of one kind into a folder: ``docker``, ``grafana`` or ``github-actions``.

        Raises:
            Conflict: if a file is there already with other contents; nothing is then written.
        """
        if kind not in get_args(ExportKind):
            raise InvalidInput(f"There is no export {kind!r}.", fix=f"One of {', '.join(get_args(ExportKind))}.")
        folder, files = Path(target_dir), export_files(kind)
        for name, text in files.items():
            path = folder / name
            if path.exists() and path.read_text() != text:
                raise Conflict(f"{path} is there already, and different.", fix="Move it away, or name another folder.")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Export(kind, str(folder), sorted(files))


def _all_entries(connection: Connection, kinds: Iterable[str]) -> Iterable[Entry]:
    after, wanted = 0, tuple(kinds)
    while page := read_entries(connection, after=after, kinds=wanted, limit=_PAGE):
        yield from page
        after = page[-1].seq


def _id(node: str) -> str:
    return node.partition(":")[2]
