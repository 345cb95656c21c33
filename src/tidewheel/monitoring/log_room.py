"""The alert that the prediction log runs out of room, before anything of it is lost.

Storage says so in the journal, once (`storage.log.crowded`, later `storage.log.eased`); what is made of it here follows
from the newest of the two and the stored alerts, so it may be looked at any number of times. The alert is of no
endpoint and no version: one disk serves them all.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.ids import new_id
from tidewheel.monitoring import store
from tidewheel.monitoring.records import Alert, AlertState
from tidewheel.storage import Change, Entry, Metadata
from tidewheel.storage.journal import read_entries

MONITOR, KIND = "log_room", "storage"
_KINDS = ("storage.log.crowded", "storage.log.eased")
_UNRESOLVED = (AlertState.OPEN, AlertState.ACKNOWLEDGED)
_LOOKED_BACK = 100
_RESOLVED = "The log has room again."
_MB = 2**20


def follow(metadata: Metadata, clock: Clock) -> Alert | None:
    """Raise the alert if the log has become crowded, resolve it if it is so no more; the one that was raised."""
    with metadata.read() as connection:
        if not _is_due(connection):
            return None
    try:
        with metadata.change(actor=f"monitor:{MONITOR}") as change:
            store.lock(change.connection)
            return _raise_or_resolve(change, clock)
    except _DoneMeanwhileError:
        return None


class _DoneMeanwhileError(Exception):
    """Another process has raised or resolved the alert since we looked."""


def _is_due(connection: Connection) -> bool:
    entry = _newest(connection)
    if entry is None:
        return False
    if entry.kind == _KINDS[0]:
        return _alert_of(connection, entry) is None
    return _open(connection) is not None


def _raise_or_resolve(change: Change, clock: Clock) -> Alert | None:
    entry = _newest(change.connection)
    if entry is None or not _is_due(change.connection):
        raise _DoneMeanwhileError
    before = _open(change.connection)
    if before is not None:
        store.move_alert(change, before.id, _UNRESOLVED, AlertState.RESOLVED, clock.now_us(), _RESOLVED)
        change.emit("monitoring.alert.resolved", f"alert:{before.id}", {"resolution": _RESOLVED}, cause=entry.id)
    if entry.kind != _KINDS[0]:
        return None
    alert = _alert(entry, clock)
    store.insert_alert(change, alert)
    facts = {"summary": alert.summary, "kind": KIND, "endpoint": "", "change_at": alert.change_at, **alert.evidence}
    change.emit("monitoring.alert.raised", f"alert:{alert.id}", facts, cause=entry.id)
    return alert


def _newest(connection: Connection) -> Entry | None:
    return next(iter(read_entries(connection, kinds=_KINDS, newest_first=True, limit=1)), None)


def _alert_of(connection: Connection, entry: Entry) -> Alert | None:
    """The alert that this entry led to, whatever has become of it: one that a person resolved is not raised again."""
    known = store.list_alerts(connection, endpoint="", limit=_LOOKED_BACK)
    return next((alert for alert in known if alert.evidence.get("entry_id") == entry.id), None)


def _open(connection: Connection) -> Alert | None:
    known = store.list_alerts(connection, endpoint="", states=_UNRESOLVED, limit=_LOOKED_BACK)
    return next((alert for alert in known if alert.monitor == MONITOR), None)


def _alert(entry: Entry, clock: Clock) -> Alert:
    return Alert(
        id=new_id("alert"),
        monitor=MONITOR,
        kind=KIND,
        endpoint="",
        version="",
        state=AlertState.OPEN,
        at=clock.now(),
        change_at=entry.at,
        summary=_summary(entry.data),
        findings=(),
        evidence={**entry.data, "entry_id": entry.id},
    )


def _summary(told: dict[str, Any]) -> str:
    held, room, free = (told[name] / _MB for name in ("segments_bytes", "budget_bytes", "free_bytes"))
    if told["free_bytes"] < told["free_wanted_bytes"]:
        wanted = told["free_wanted_bytes"] / _MB
        return f"{free:,.0f} MiB of disk are free; the prediction log wants {wanted:,.0f} MiB to go on safely."
    return (
        f"The prediction log takes {held:,.0f} of {room:,.0f} MiB: a consumer or the table store is behind. "
        "Over the budget the oldest segments go, read or not."
    )
