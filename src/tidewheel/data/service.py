"""Data's verbs: datasets are appended to, read as of any commit, tagged, compared and held to a contract.

`app.py` constructs it; project files reach it through `tw.dataset`. Rows go to Tables; commits and journal entries
follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.base import ambient
from tidewheel.base.clock import Clock, pinned_as_of
from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.data import store
from tidewheel.data.commits import CommitRecorder
from tidewheel.data.difference import compare_commits
from tidewheel.data.records import Commit, Contract, DatasetSummary, Difference, Tag, ValidationReport
from tidewheel.data.refs import Ref, as_instant, as_number, check_tag, split_ref
from tidewheel.storage import Blobs, Metadata, Tables

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.data.incoming import Rows

Bound = tuple[str, datetime]


class Data:
    """Versioned datasets. May be shared by threads; several processes may append to one dataset."""

    def __init__(self, metadata: Metadata, tables: Tables, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._tables = tables
        self._blobs = blobs
        self._clock = clock
        self._recorder = CommitRecorder(metadata, tables)

    def append(self, name: str, rows: Rows, message: str = "", *, source: str = "") -> Commit:
        """Add rows as a new commit, creating the dataset if it is new; columns may be added, not retyped.

        `source` is the lineage node that the rows came from.

        Raises:
            InvalidInput: if the rows do not fit the dataset's types, or break its contract.
        """
        return self._write(name, rows, message, source, replaces=False)

    def overwrite(self, name: str, rows: Rows, message: str = "", *, source: str = "") -> Commit:
        """Replace all rows, as a new commit; the ones before stay readable.

        Raises:
            InvalidInput: if the rows break the dataset's contract.
            Conflict: if another wrote meanwhile.
        """
        return self._write(name, rows, message, source, replaces=True)

    def import_file(self, name: str, path: Path, message: str = "") -> Commit:
        """Append the rows of a Parquet or CSV file. The file itself is kept too, and is the commit's source."""
        from tidewheel.data.incoming import read_file

        rows = read_file(path)
        return self.append(name, rows, message or f"import {path.name}", source=f"blob:{self._blobs.put_file(path)}")

    def now(self) -> datetime:
        """The platform's time, in which commits are dated."""
        return self._clock.now()

    @door("POST", "/data/datasets/{name}/rows")
    def append_rows(self, name: str, rows: list[dict[str, Any]], message: str = "") -> Commit:
        """Append rows given as JSON objects; instants are ISO 8601 text in columns named `at` or `…_at`."""
        from tidewheel.data.incoming import check_json_rows

        check_json_rows(rows)
        return self.append(name, rows, message)

    def read(
        self,
        name: str,
        ref: Ref = None,
        columns: Sequence[str] | None = None,
        since: Bound | None = None,
        until: Bound | None = None,
        *,
        at: datetime | None = None,
    ) -> pa.Table:
        """The rows of a version: a commit number, a tag or an instant, else the one that `resolve` finds.

        `since` and `until` are (timestamp column, instant) and keep ``since <= value < until``.
        """
        dataset, ref = split_ref(name, ref)
        number = self._number(dataset, ref, at)
        ambient.tell_read("data", dataset, str(number))
        return self._tables.read(dataset, version=number, columns=columns, since=since, until=until)

    def resolve(self, name: str, ref: Ref = None, *, at: datetime | None = None) -> Commit:
        """The commit that is meant: by `ref`, by `at` (platform time), by the instant that the current work is about,
        or the latest."""
        dataset, ref = split_ref(name, ref)
        number = self._number(dataset, ref, at)
        self._recorder.catch_up(dataset)
        with self._metadata.read() as connection:
            found = store.find_commit(connection, dataset, number)
        if found is None:
            raise self._no_version(dataset, number)
        return found

    @door("GET", "/data/datasets/{name}/commits/{ref}")
    def commit(self, name: str, ref: str) -> Commit:
        """One commit of a dataset, by number, tag, instant or `latest`."""
        return self.resolve(name, None if ref == "latest" else ref)

    @door("GET", "/data/datasets/{name}/log")
    def log(self, name: str, limit: int = 100) -> list[Commit]:
        """A dataset's commits, newest first."""
        self._recorder.catch_up(name)
        with self._metadata.read() as connection:
            return store.list_commits(connection, name, limit=limit)

    @door("GET", "/data/datasets")
    def ls(self) -> list[DatasetSummary]:
        """All datasets, by name, as their newest commits say."""
        with self._metadata.read() as connection:
            found = []
            for name in store.dataset_names(connection):
                latest = store.newest_commit(connection, name)
                if latest is not None:
                    found.append(
                        DatasetSummary(
                            name=name,
                            rows=store.total_rows(connection, name),
                            commits=store.count_commits(connection, name),
                            latest=latest,
                            tags=tuple(tag.name for tag in store.list_tags(connection, name)),
                            has_contract=store.newest_contract(connection, name) is not None,
                        )
                    )
            return found

    @door("POST", "/data/datasets/{name}/tags")
    def tag(self, name: str, tag: str, ref: str | None = None) -> Tag:
        """Let a tag name a commit (default: the latest); a tag that is there is moved."""
        commit = self.resolve(name, ref)
        made = Tag(name, check_tag(tag), commit.number, self._clock.now())
        with self._metadata.change() as change:
            store.set_tag(change.connection, made)
            change.emit("data.tag.set", f"dataset:{name}", {"tag": tag, "number": commit.number}, inputs=[commit.node])
        return made

    @door("GET", "/data/datasets/{name}/tags")
    def tags(self, name: str) -> list[Tag]:
        """A dataset's tags, by name."""
        with self._metadata.read() as connection:
            return store.list_tags(connection, name)

    @door("GET", "/data/datasets/{name}/diff")
    def diff(self, name: str, before: str, after: str) -> Difference:
        """What changed between two commits: rows and columns."""
        first, second = self.resolve(name, before), self.resolve(name, after)
        with self._metadata.read() as connection:
            counts = [store.total_rows(connection, name, commit.number) for commit in (first, second)]
        return compare_commits(first, second, counts[0], counts[1])

    @door("POST", "/data/datasets/{name}/contract/infer", role="viewer")
    def infer_contract(self, name: str, ref: str | None = None) -> Contract:
        """A contract that a version meets, to be read and edited; it is not put in force."""
        from tidewheel.data.infer_contract import infer_contract

        commit = self.resolve(name, ref)
        return infer_contract(name, commit.ref, self.read(name, commit.number))

    @door("PUT", "/data/datasets/{name}/contract")
    def set_contract(self, name: str, contract: Contract) -> Contract:
        """Put a contract in force: from now on rows that break it are not taken."""
        if contract.dataset != name:
            raise InvalidInput(f"The contract is for {contract.dataset!r}, not for {name!r}.", fix="Mend its dataset.")
        with self._metadata.change() as change:
            number = store.add_contract(change.connection, contract, self._clock.now_us())
            facts = {"number": number, "columns": [column.name for column in contract.columns]}
            inputs = [f"commit:{contract.reference}"] if contract.reference else []
            change.emit("data.contract.set", f"dataset:{name}", facts, inputs=inputs)
        return contract

    @door("GET", "/data/datasets/{name}/contract")
    def contract(self, name: str) -> Contract:
        """The contract in force.

        Raises:
            NotFound: if there is none.
        """
        found = self._contract(name)
        if found is None:
            raise NotFound(f"The dataset {name!r} has no contract.", fix="Infer one, look at it, and set it.")
        return found

    @door("POST", "/data/datasets/{name}/validate", role="viewer")
    def validate(self, name: str, ref: str | None = None) -> ValidationReport:
        """Hold a version against the contract in force."""
        from tidewheel.data.check_contract import check_contract

        commit = self.resolve(name, ref)
        return check_contract(self.contract(name), commit.ref, self.read(name, commit.number))

    def _write(self, name: str, rows: Rows, message: str, source: str, *, replaces: bool) -> Commit:
        from tidewheel.data.incoming import as_table

        if "@" in name:
            raise InvalidInput(f"{name!r} names one version, which cannot be changed.", fix="Leave out what follows @.")
        table = as_table(rows, self._columns(name))
        self._refuse_violations(name, table)
        facts = self._recorder.facts(name, table, replaces=replaces, message=message, source=source)
        write = self._tables.overwrite if replaces else self._tables.append
        made = write(name, table, at=self._clock.now(), metadata=facts)
        return self.resolve(name, made.number)

    def _columns(self, name: str) -> Mapping[str, str]:
        with self._metadata.read() as connection:
            newest = store.newest_commit(connection, name)
        return newest.columns if newest else {}

    def _refuse_violations(self, name: str, rows: pa.Table) -> None:
        contract = self._contract(name)
        if contract is not None:
            from tidewheel.data.check_contract import check_contract, refuse_violations

            refuse_violations(check_contract(contract, f"rows for {name}", rows))

    def _contract(self, name: str) -> Contract | None:
        with self._metadata.read() as connection:
            return store.newest_contract(connection, name)

    def _number(self, dataset: str, ref: Ref, at: datetime | None) -> int:
        """The version number that is meant."""
        if ref is None:
            return self._tables.version(dataset, at=at or pinned_as_of()).number
        number = as_number(ref)
        if number is not None:
            return self._tables.version(dataset, number).number
        with self._metadata.read() as connection:
            tagged = next((tag.number for tag in store.list_tags(connection, dataset) if tag.name == ref), None)
        instant = as_instant(str(ref))
        if tagged is not None:
            return tagged
        if instant is not None:
            return self._tables.version(dataset, at=instant).number
        raise NotFound(
            f"The dataset {dataset!r} has no version {ref!r}.", fix="Give a commit number, a tag or an instant."
        )

    def _no_version(self, dataset: str, number: int) -> NotFound:
        return NotFound(f"The dataset {dataset!r} has no commit {number}.", fix="`tidewheel data log` lists them.")
