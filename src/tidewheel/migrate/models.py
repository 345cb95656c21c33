"""Brings registered models, their versions under their own numbers, aliases, tags, stages and descriptions.

A version's files are those that came with its run or logged model; of a folder that no run knows they are copied first.
Called by `importing.py` last. A model of the same name that did not come by an import is left as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from tidewheel.app import Platform
from tidewheel.base.errors import Conflict, NotFound, TidewheelError
from tidewheel.migrate.artifacts import ArtifactCopier
from tidewheel.migrate.clocks import instant
from tidewheel.migrate.records import IMPORTED_FROM, Counts, Options, Problem
from tidewheel.migrate.source_records import SourceModel, SourceVersion
from tidewheel.registry import Model, ModelVersion

SOURCE = "tidewheel.mlflow_source"  # tag of a version: where its files lay there


@dataclass(slots=True)
class ModelBringer:
    """Brings the registered models of one source. `roots` maps places of files there to addresses here."""

    platform: Platform
    label: str
    options: Options
    copier: ArtifactCopier
    problems: list[Problem]
    there: Counts
    here: Counts
    roots: dict[str, str]

    def bring(self, model: SourceModel) -> None:
        """Bring one model with its versions."""
        versions = [version for version in model.versions if not self.options.selective or self._is_ours(version)]
        if self.options.selective and not versions:
            return
        kept = {version.number for version in versions}
        aliases = {alias: number for alias, number in model.aliases.items() if number in kept}
        self.there.add(Counts(models=1, versions=len(versions), aliases=len(aliases)))
        if self.options.dry_run:
            return
        name = self.options.prefix + model.name
        try:
            self._bring_model(name, model)
        except TidewheelError as error:
            self.problems.append(Problem(f"model {name!r}", error.message))
            return
        self.here.models += 1
        for version in versions:
            try:
                self._bring_version(name, version)
                self.here.versions += 1
            except TidewheelError as error:
                self.problems.append(Problem(f"version {version.number} of {name!r}", error.message))
        for alias, number in aliases.items():
            with suppress(NotFound):
                self.platform.registry.promote(self.platform.registry.numbered(name, number).id, alias)
                self.here.aliases += 1

    def _bring_model(self, name: str, model: SourceModel) -> None:
        here = self._find(name)
        if here is None:
            tags = {IMPORTED_FROM: self.label, **model.tags}
            self.platform.registry.create_model(name, model.description, tags, instant(model.created_at_ms))
        elif IMPORTED_FROM not in here.tags:
            raise Conflict("A model of this name is here that did not come by an import. Use --prefix.")
        else:
            if here.description != model.description:
                self.platform.registry.describe_model(name, model.description)
            changed = {key: value for key, value in model.tags.items() if here.tags.get(key) != value}
            if changed:
                self.platform.registry.tag_model(name, changed)

    def _bring_version(self, name: str, there: SourceVersion) -> None:
        registry = self.platform.registry
        here = self._numbered(name, there.number) or self._register(name, there)
        if here.description != there.description:
            registry.describe(here.id, there.description)
        changed = {key: value for key, value in there.tags.items() if here.tags.get(key) != value}
        if changed:
            registry.tag(here.id, changed)
        if here.stage != there.stage:
            registry.transition(here.id, there.stage)

    def _register(self, name: str, there: SourceVersion) -> ModelVersion:
        """Register under the same number: numbers that are gone there are taken and given up here."""
        source, tags = self._source_here(name, there), {**there.tags, IMPORTED_FROM: self.label, SOURCE: there.source}
        while True:
            made = self.platform.registry.register_source(
                name,
                source,
                run_id=there.run_id,
                tags=tags,
                description=there.description,
                run_link=there.run_link,
                user=there.user,
                created_at=instant(there.created_at_ms),
                empty=True,
            )
            if made.number == there.number:
                return made
            self.platform.registry.delete_version(made.id)
            if made.number > there.number:
                raise Conflict(f"The number {there.number} was given here before, so it cannot be given again.")

    def _source_here(self, name: str, there: SourceVersion) -> str:
        if there.source.startswith(("runs:/", "models:/")):
            return there.source
        for location in (there.source.rstrip("/"), there.location.rstrip("/")):
            path, below = location, ""
            while "/" in path:
                if path in self.roots:
                    return f"{self.roots[path]}/{below}".rstrip("/")
                path, _, last = path.rpartition("/")
                below = f"{last}/{below}" if below else last
        target = f"mlflow-artifacts:/imported/{name}/{there.number}"
        held = self.copier.bring(there.location, target) if self.options.artifacts else None
        return target if held and held.files else there.source

    def _is_ours(self, version: SourceVersion) -> bool:
        """Whether a version was made by a run or of a logged model that came over."""
        known = set(self.roots.values())
        return f"runs:/{version.run_id}" in known or version.source.rstrip("/") in known

    def _find(self, name: str) -> Model | None:
        with suppress(NotFound):
            return self.platform.registry.model(name)
        return None

    def _numbered(self, name: str, number: int) -> ModelVersion | None:
        with suppress(NotFound):
            return self.platform.registry.numbered(name, number)
        return None
