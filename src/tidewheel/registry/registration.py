"""How versions come into the registry: from a folder that code at hand wrote, or from an address that a client names.

A part of `Registry`. A version never changes once registered. It must never run what it registers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.base.doors import door
from tidewheel.base.errors import InvalidInput, NotAllowed, Taken
from tidewheel.base.ids import new_id
from tidewheel.base.units import from_us, to_us
from tidewheel.registry import store
from tidewheel.registry.formats import GRAPHS, open_format
from tidewheel.registry.graphs.packaging import member_versions
from tidewheel.registry.lookup import RegistryStores, no_model, require_model
from tidewheel.registry.names import check_description, check_model_name, check_tags
from tidewheel.registry.records import Model, ModelVersion, Signature
from tidewheel.registry.source_reader import SourceReader
from tidewheel.storage import Change
from tidewheel.storage.journal import current_actor

if TYPE_CHECKING:
    import pyarrow as pa


class Registration(RegistryStores):
    """Takes models and versions in."""

    @door("POST", "/registry/models")
    def create_model(
        self,
        name: str,
        description: str = "",
        tags: dict[str, str] | None = None,
        created_at: datetime | None = None,
    ) -> Model:
        """Make a model known that has no versions yet; registering a first version does it too.

        `created_at` is for one that was made earlier, elsewhere.

        Raises:
            Conflict: if there is one of this name.
        """
        check_model_name(name)
        check_description(description)
        kept = check_tags(tags)
        with self._metadata.change() as change:
            if store.has_model(change.connection, name):
                raise Taken(f"Registered Model (name={name}) already exists.", fix="Choose another name.")
            self._add_model(change, name, description, kept, created_at)
            return require_model(change.connection, name)

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
        files, size_bytes = self._keep_files(folder)
        draft = self._draft(name, format, files, size_bytes, signature, description, tags)
        return self._add(
            replace(
                draft,
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
                source=source,
                model_id=model_id,
            ),
            inputs=[f"version:{each}" for each in member_versions(folder)] if format in GRAPHS else (),
        )

    @door("POST", "/registry/models/{name}/versions")
    def register_source(
        self,
        name: str,
        source: str,
        *,
        run_id: str | None = None,
        model_id: str | None = None,
        tags: dict[str, str] | None = None,
        description: str = "",
        run_link: str | None = None,
        user: str | None = None,
        created_at: datetime | None = None,
        new_model: bool = True,
        empty: bool = False,
    ) -> ModelVersion:
        """Keep what lies at an address as the next version of a model.

        Args:
            name: the model's name.
            source: ``runs:/ID/model``, ``mlflow-artifacts:/…``, ``models:/m-…`` (a logged model) or ``models:/NAME/3``
                (a copy of a version). Of an address elsewhere, as ``s3://…``, only the address is kept: the version is
                known, and cannot be served.
            run_id: the run that made it; default what its MLmodel file says.
            model_id: the logged model that it is.
            tags: tags of the version.
            description: what to say of it.
            run_link: where the run can be seen, if it ran elsewhere.
            user: who made it, if not who calls.
            created_at: when it was made, if that was earlier, elsewhere.
            new_model: whether a model of this name is made where there is none; else that is an error.
            empty: whether an address of ours may be one at which nothing lies, as MLflow's clients register before they
                upload; else that is an error, and so is a path.

        A format that runs code when it is loaded is registered, and not loaded before someone vouches for it: `trust`.
        """
        check_model_name(name)
        read = SourceReader(self._metadata, self._blobs, self._source).read(source, empty=empty)
        draft = self._draft(name, read.format, read.files, read.size_bytes, read.signature, description, tags)
        own = read.origin
        return self._add(
            replace(
                draft,
                source=f"models:/{own.model}/{own.number}" if own else source,
                run_link=run_link,
                user=user or draft.user,
                created_at=created_at or draft.created_at,
                run_id=run_id or read.run_id,
                model_id=model_id or read.model_id,
                executes_code=read.executes_code,
                sample_digest=read.sample_digest,
                environment=read.environment,
                feature_set_name=own.feature_set_name if own else None,
                feature_set_hash=own.feature_set_hash if own else None,
                commits=own.commits if own else (),
                metrics=own.metrics if own else {},
                measured=own.measured if own else {},
                reference_digest=own.reference_digest if own else None,
                trusted_by=own.trusted_by if own else None,
            ),
            inputs=[own.node] if own else (),
            new_model=new_model,
        )

    def _draft(
        self,
        name: str,
        format_name: str,
        files: dict[str, str],
        size_bytes: int,
        signature: Signature,
        description: str,
        tags: Mapping[str, str] | None,
    ) -> ModelVersion:
        now = from_us(self._clock.now_us())
        return ModelVersion(
            id=new_id("ver"),
            model=check_model_name(name),
            number=0,
            format=format_name,
            files=files,
            size_bytes=size_bytes,
            signature=signature,
            created_at=now,
            updated_at=now,
            user=current_actor(),
            description=check_description(description),
            tags=check_tags(tags),
        )

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

    def _add(self, draft: ModelVersion, inputs: Sequence[str] = (), *, new_model: bool = True) -> ModelVersion:
        with self._metadata.change() as change:
            if not store.has_model(change.connection, draft.model):
                if not new_model:
                    raise no_model(draft.model)
                self._add_model(change, draft.model, "", {})
            number = store.take_number(change.connection, draft.model, self._clock.now_us())
            version = replace(draft, number=number)
            store.add_version(change.connection, version)
            told = ("model", "number", "format", "files", "metrics", "trusted_by")
            more = ("source", "run_id", "model_id", "tags", "description", "environment")
            facts = {field: getattr(version, field) for field in (*told, *more)}
            change.emit("registry.version.registered", version.node, facts, inputs=[*_lineage(version), *inputs])
        return version

    def _add_model(
        self, change: Change, name: str, description: str, tags: dict[str, str], created_at: datetime | None = None
    ) -> None:
        at_us = to_us(created_at) if created_at else self._clock.now_us()
        store.add_model(change.connection, name, description, tags, at_us)
        change.emit(
            "registry.model.created", f"model:{name}", {"model": name, "description": description, "tags": tags}
        )


def _lineage(version: ModelVersion) -> list[str]:
    nodes = [f"commit:{commit}" for commit in version.commits]
    if version.feature_set_name and version.feature_set_hash:
        nodes.append(f"feature_set:{version.feature_set_name}@{version.feature_set_hash[:12]}")
    if version.run_id:
        nodes.append(f"run:{version.run_id}")
    return nodes
