"""The registry's verbs. A version never changes once registered; only aliases move and evaluations are added.

`app.py` constructs it; training code reaches it through `log_model`, the loop through its promote and rollback, workers
through files that serving fetched. It must never load a model whose files or trust were not checked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from tidewheel.base.clock import Clock
from tidewheel.base.doors import door
from tidewheel.base.errors import Conflict, Corrupt, InvalidInput, NotAllowed, NotFound
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us
from tidewheel.registry import alias_store, store
from tidewheel.registry.formats import Predictor, open_format
from tidewheel.registry.load import load_predictor
from tidewheel.registry.names import check_alias, check_model_name, parse_address
from tidewheel.registry.records import Model, ModelVersion, Signature, Verification
from tidewheel.storage import Blobs, Change, Metadata
from tidewheel.storage.journal import current_actor

if TYPE_CHECKING:
    import pyarrow as pa


class Registry:
    """Keeps model versions and says which one an alias means."""

    def __init__(self, metadata: Metadata, blobs: Blobs, clock: Clock) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock

    def register(
        self,
        name: str,
        *,
        format: str,  # noqa: A002 - the field's word
        folder: Path,
        signature: Signature,
        run_id: str | None = None,
        feature_set: tuple[str, str] | None = None,
        commits: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
        reference: pa.Table | None = None,
        trust: bool = False,
        sample: pa.Table | None = None,
        environment: Mapping[str, Any] | None = None,
        measured: Mapping[str, float] | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        source: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Keep the files of a folder as the next version of a model, with where they came from.

        `feature_set` is (name, hash); `commits` are dataset versions such as ``rides@4``; `trust` is the caller's word
        for a format that executes code, recorded under the acting principal; `sample` is an input that it can answer,
        `environment` what it was trained in, `measured` figures such as `latency_p50_us`.

        Raises:
            NotAllowed: if the format executes code and `trust` was not given.
            InvalidInput: if the folder is empty or a name is not allowed.
        """
        executes_code = open_format(format).executes_code
        if executes_code and not trust:
            raise NotAllowed(
                f"A {format} model runs code when it is loaded.",
                fix="Pass trust=True if you know where it came from; your name is kept with the version.",
            )
        check_model_name(name)
        files, size_bytes = self._keep_files(folder)
        now = from_us(self._clock.now_us())
        version = ModelVersion(
            id=new_id("ver"),
            model=name,
            number=0,
            format=format,
            files=files,
            size_bytes=size_bytes,
            signature=signature,
            created_at=now,
            updated_at=now,
            run_id=run_id,
            feature_set_name=feature_set[0] if feature_set else None,
            feature_set_hash=feature_set[1] if feature_set else None,
            commits=tuple(commit.removeprefix("commit:") for commit in commits),
            metrics={key: float(value) for key, value in (metrics or {}).items()},
            reference_digest=self._keep_table(reference),
            executes_code=executes_code,
            trusted_by=current_actor() if executes_code else None,
            sample_digest=self._keep_table(sample),
            environment=dict(environment or {}),
            measured={key: float(value) for key, value in (measured or {}).items()},
            description=description,
            tags=dict(tags or {}),
            source=source,
            model_id=model_id,
            user=current_actor(),
        )
        return self._add(version)

    @door("GET", "/registry/models")
    def models(self) -> list[Model]:
        """All models, by name."""
        with self._metadata.read() as connection:
            return store.list_models(connection)

    @door("GET", "/registry/models/{name}/versions")
    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first."""
        with self._metadata.read() as connection:
            found = store.list_versions(connection, name)
            if not found and not store.has_model(connection, name):
                raise _no_model(name)
            return found

    @door("GET", "/registry/versions/{version_id}")
    def version(self, version_id: str) -> ModelVersion:
        """The version of an id."""
        with self._metadata.read() as connection:
            return _require(store.find_version(connection, version_id), version_id)

    @door("GET", "/registry/find")
    def find(self, address: str) -> ModelVersion:
        """The version that an id, `models:/NAME@ALIAS`, `models:/NAME/3` or `models:/NAME/latest` means."""
        with self._metadata.read() as connection:
            if address.startswith("ver_"):
                return _require(store.find_version(connection, address), address)
            parts = parse_address(address)
            if parts.alias is not None:
                return _require(_holder(connection, parts.model, parts.alias), address)
            return _require(store.find_number(connection, parts.model, parts.number), address)

    @door("POST", "/registry/versions/{version_id}/promote")
    def promote(self, version_id: str, alias: str = "champion") -> ModelVersion:
        """Give an alias to a version. If it holds the alias already, nothing happens, so this may be repeated."""
        check_alias(alias)
        if alias in self.version(version_id).aliases:
            return self.version(version_id)
        with self._metadata.change() as change:
            version = _require(store.find_version(change.connection, version_id), version_id)
            former = _holder(change.connection, version.model, alias)
            if former != version:  # another process may have promoted it since we looked
                alias_store.push(change.connection, version.model, alias, version_id, self._clock.now_us())
            facts = {"model": version.model, "number": version.number, "alias": alias}
            facts["from_version_id"] = former.id if former else None
            change.emit("registry.version.promoted", version.node, facts)
        return self.version(version_id)

    @door("POST", "/registry/models/{name}/rollback")
    def rollback(self, name: str, alias: str = "champion") -> ModelVersion:
        """Give an alias back to the version that held it before, and return that version.

        Raises:
            NotFound: if nobody holds the alias.
            Conflict: if nobody held it before.
        """
        with self._metadata.change() as change:
            stack = alias_store.stack(change.connection, name, alias)
            if not stack:
                raise NotFound(f"No version holds the alias {alias!r} of the model {name!r}.")
            if len(stack) == 1:
                raise Conflict(
                    f"No version held {name}@{alias} before the present one.",
                    fix="Promote the version that you want instead.",
                )
            alias_store.pop(change.connection, name, alias)
            restored = _require(store.find_version(change.connection, stack[1]), stack[1])
            facts = {"model": name, "number": restored.number, "alias": alias, "from_version_id": stack[0]}
            change.emit("registry.version.rolled_back", restored.node, facts)
            return restored

    def remove_alias(self, name: str, alias: str) -> None:
        """Take an alias away from everyone."""
        with self._metadata.change() as change:
            if not alias_store.stack(change.connection, name, alias):
                raise NotFound(f"No version holds the alias {alias!r} of the model {name!r}.")
            alias_store.clear(change.connection, name, alias)
            change.emit("registry.alias.removed", f"model:{name}", {"model": name, "alias": alias})

    def set_evaluation(self, version_id: str, evaluation: Mapping[str, Any]) -> ModelVersion:
        """Keep what an evaluation of a version found (JSON-able); it replaces the one before."""
        with self._metadata.change() as change:
            version = _require(store.find_version(change.connection, version_id), version_id)
            store.change_version(change.connection, version_id, self._clock.now_us(), evaluation=dict(evaluation))
            change.emit("registry.version.evaluated", version.node, {"evaluation": dict(evaluation)})
        return self.version(version_id)

    @door("GET", "/registry/versions/{version_id}/verify")
    def verify(self, version_id: str) -> Verification:
        """Read every stored file of a version and compare its BLAKE3 with the registered one."""
        version = self.version(version_id)
        digests = dict(version.files)
        if version.reference_digest:
            digests["(reference)"] = version.reference_digest
        damaged: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as scratch:
            for path, digest in digests.items():
                try:
                    self._blobs.fetch(digest, Path(scratch) / "file")
                except (Corrupt, NotFound) as error:
                    damaged[path] = error.message
        return Verification(version_id, not damaged, tuple(digests), damaged)

    def fetch(self, version_id: str, folder: Path) -> ModelVersion:
        """Write a version's files into a folder, each checked against its BLAKE3."""
        version = self.version(version_id)
        folder.mkdir(parents=True, exist_ok=True)
        for path, digest in version.files.items():
            self._blobs.fetch(digest, folder / path)
        return version

    def load(self, version_id: str) -> Predictor:
        """A version's predictor in this process, for scoring many rows; online traffic belongs to serving's workers."""
        with tempfile.TemporaryDirectory() as scratch:
            version = self.fetch(version_id, Path(scratch))
            return load_predictor(version.format, Path(scratch), version.files, version.trusted_by)

    def reference(self, version_id: str) -> pa.Table:
        """The rows that monitors compare the world with; see `reference.py` for its columns."""
        from tidewheel.registry.reference import from_bytes

        version = self.version(version_id)
        if version.reference_digest is None:
            raise NotFound(
                f"Version {version.number} of {version.model!r} was registered without a reference.",
                fix="Give log_model its training rows: rows=…",
            )
        return from_bytes(self._blobs.get(version.reference_digest))

    def _keep_files(self, folder: Path) -> tuple[dict[str, str], int]:
        files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        if not files:
            raise InvalidInput("There are no model files to register.", where=str(folder))
        digests = {file.relative_to(folder).as_posix(): self._blobs.put_file(file) for file in files}
        return digests, sum(file.stat().st_size for file in files)

    def _keep_table(self, table: pa.Table | None) -> str | None:
        if table is None:
            return None
        from tidewheel.registry.reference import sample_rows, to_bytes

        return self._blobs.put(to_bytes(sample_rows(table)))

    def _add(self, draft: ModelVersion) -> ModelVersion:
        with self._metadata.change() as change:
            self._ensure_model(change, draft.model)
            version = replace(draft, number=store.take_number(change.connection, draft.model))
            store.add_version(change.connection, version)
            facts = {"model": version.model, "number": version.number, "format": version.format}
            facts |= {"files": version.files, "metrics": version.metrics, "trusted_by": version.trusted_by}
            change.emit("registry.version.registered", version.node, facts, inputs=_lineage(version))
        return version

    def _ensure_model(self, change: Change, name: str) -> None:
        if not store.has_model(change.connection, name):
            store.add_model(change.connection, name, "", self._clock.now_us())
            change.emit("registry.model.created", f"model:{name}")


def _holder(connection: Connection, model: str, alias: str) -> ModelVersion | None:
    stack = alias_store.stack(connection, model, alias)
    return store.find_version(connection, stack[0]) if stack else None


def _lineage(version: ModelVersion) -> list[str]:
    nodes = [f"commit:{commit}" for commit in version.commits]
    if version.feature_set_name and version.feature_set_hash:
        nodes.append(f"feature_set:{version.feature_set_name}@{version.feature_set_hash[:12]}")
    if version.run_id:
        nodes.append(f"run:{version.run_id}")
    return nodes


def _require(version: ModelVersion | None, address: str) -> ModelVersion:
    if version is None:
        raise NotFound(f"There is no model version {address!r}.", fix="`tidewheel models ls` lists what there is.")
    return version


def _no_model(name: str) -> NotFound:
    return NotFound(f"There is no model {name!r}.", fix="`tidewheel models ls` lists what there is.")
