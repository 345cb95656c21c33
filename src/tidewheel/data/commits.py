"""Keeps the commits in the metadata in step with the Delta log, which is the truth.

A write is a Delta version first, carrying all that its commit says; the row and the journal entry follow. If a process
dies in between, whoever touches the dataset next writes them. Used by `Data`; must never write a table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa

from tidewheel.base.hashing import hash_json
from tidewheel.data import store
from tidewheel.data.records import Commit
from tidewheel.storage import Change, Metadata, Tables, TableVersion


class _NothingNew(Exception):
    """Leaves a change that found its work done by another."""


class CommitRecorder:
    """Writes commits down as the Delta log tells them."""

    def __init__(self, metadata: Metadata, tables: Tables) -> None:
        self._metadata = metadata
        self._tables = tables

    def facts(self, name: str, rows: pa.Table, *, replaces: bool, message: str, source: str) -> dict[str, str]:
        """What a write says of itself in the Delta log."""
        with self._metadata.read() as connection:
            before = None if replaces else store.newest_commit(connection, name)
        columns = dict(before.columns) if before else {}
        columns.update({field.name: str(field.type) for field in rows.schema if field.name not in columns})
        return {
            "operation": "overwrite" if replaces else "append",
            "rows": str(rows.num_rows),
            "size_bytes": str(rows.nbytes),
            "columns": json.dumps(list(columns.items())),
            "message": message,
            "source": source,
        }

    def catch_up(self, name: str) -> None:
        """Write down the versions of a table that have no commit yet, oldest first."""
        newest = self._tables.version(name).number
        with self._metadata.read() as connection:
            known = store.newest_commit(connection, name)
        if known is not None and known.number >= newest:
            return
        try:
            with self._metadata.change() as change:
                before = store.newest_commit(change.connection, name)
                unknown = self._after(name, before.number if before else -1)
                if not unknown:
                    raise _NothingNew
                for version in unknown:
                    before = _write_down(change, self._commit(name, version), before)
        except _NothingNew:
            return

    def _after(self, name: str, number: int) -> list[TableVersion]:
        limit = 8
        while True:
            newest_first = self._tables.versions(name, limit)
            unknown = [version for version in newest_first if version.number > number]
            if len(unknown) < len(newest_first) or len(newest_first) < limit:
                return unknown[::-1]
            limit *= 8

    def _commit(self, name: str, version: TableVersion) -> Commit:
        facts: Mapping[str, str] = version.metadata
        if "columns" not in facts:  # not written by this room, as the prediction history
            rows = self._tables.read(name, version=version.number)
            facts = self.facts(name, rows, replaces=True, message="", source="")
        columns = dict(json.loads(facts["columns"]))
        return Commit(
            dataset=name,
            number=version.number,
            at=version.at,
            operation=facts["operation"],
            rows=int(facts["rows"]),
            size_bytes=int(facts["size_bytes"]),
            columns=columns,
            schema_hash=hash_json(columns),
            message=facts["message"],
            source=facts["source"],
        )


def _write_down(change: Change, commit: Commit, before: Commit | None) -> Commit:
    store.add_commit(change.connection, commit)
    inputs = [before.node] if before else []
    if commit.source:
        inputs.append(commit.source)
    change.emit(
        "data.commit.made",
        commit.node,
        {"operation": commit.operation, "rows": commit.rows, "schema": commit.schema_hash, "message": commit.message},
        inputs=inputs,
    )
    return commit
