"""Brings MLflow 3's logged models under their own ids, with params, tags, metrics and files.

Called by `importing.py` after the runs, whose ids they name, and before the registry, whose versions are made of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tidewheel.app import Platform
from tidewheel.base.errors import NotFound, TidewheelError
from tidewheel.migrate.artifacts import PROXIED, ArtifactCopier
from tidewheel.migrate.clocks import instant
from tidewheel.migrate.records import IMPORTED_FROM, Counts, Options, Problem
from tidewheel.migrate.source_records import SourceLoggedModel
from tidewheel.migrate.state import State, hash_of
from tidewheel.tracking import Experiment
from tidewheel.tracking.logged_model_records import LoggedModel, ModelMetric


@dataclass(slots=True)
class LoggedModelBringer:
    """Brings the logged models of one source."""

    platform: Platform
    label: str
    options: Options
    experiments: dict[str, Experiment]
    copier: ArtifactCopier
    problems: list[Problem]
    there: Counts
    here: Counts
    roots: dict[str, str]

    def bring(self, model: SourceLoggedModel) -> None:
        """Bring one."""
        self.there.logged_models += 1
        self.roots[model.artifact_uri.rstrip("/")] = f"models:/{model.id}"
        try:
            self._write(model)
        except TidewheelError as error:
            self.problems.append(Problem(f"logged model {model.id}", error.message))

    def _write(self, model: SourceLoggedModel) -> None:
        if self.options.dry_run:
            self._bring_files(model, f"mlflow-artifacts:/0/models/{model.id}/artifacts")
            return
        here = self._find(model.id)
        state = State.from_tags(here.tags) if here else None
        if here and state and state.hash == hash_of(model) and (state.files is not None or not self.options.artifacts):
            said = Counts(artifact_files=state.files or 0, artifact_bytes=state.bytes)
            self.there.add(said)
            self.here.add(said)
        else:
            self._bring_one(model, here)
        self.here.logged_models += 1

    def _bring_one(self, model: SourceLoggedModel, here: LoggedModel | None) -> None:
        home = self.experiments.get(model.experiment_id)
        if home is None:
            raise NotFound("Its experiment did not come over.")
        metrics = [
            ModelMetric(
                key=key,
                value=value,
                step=step,
                at=instant(at_ms),
                run_id=run_id or "",
                dataset_name=name or None,
                dataset_digest=digest or None,
            )
            for (key, value, at_ms, step), run_id, name, digest in model.metrics
        ]
        status: Any = model.status
        root = (
            home.artifact_location.rstrip("/") if home.artifact_location.startswith(PROXIED) else f"{PROXIED}imported"
        )
        taken = LoggedModel(
            id=model.id,
            experiment_id=home.id,
            name=model.name,
            artifact_location=here.artifact_location if here else f"{root}/models/{model.id}/artifacts",
            status=status,
            status_message=model.status_message or "",
            lifecycle_stage="active",
            created_at=instant(model.created_at_ms),
            updated_at=instant(model.updated_at_ms),
            model_type=model.model_type or "",
            source_run_id=model.run_id or "",
            params=model.params,
            tags={**model.tags, IMPORTED_FROM: self.label},
            metrics=tuple(metrics),
        )
        verbs = self.platform.logged_models
        verbs.adopt(taken)
        held = self._bring_files(model, taken.artifact_location)
        files, size_bytes = (held.files, held.size_bytes) if held else (None, 0)
        verbs.set_tags(model.id, State(hash_of(model), len(metrics), files, size_bytes).to_tag())

    def _bring_files(self, model: SourceLoggedModel, target: str) -> Any:
        if not self.options.artifacts:
            return None
        held = self.copier.bring(model.artifact_uri, target)
        if held is not None:
            self.there.add(Counts(artifact_files=held.files, artifact_bytes=held.size_bytes))
            if not self.options.dry_run:
                here = self.copier.held_here(target)
                self.here.add(Counts(artifact_files=here.files, artifact_bytes=here.size_bytes))
        return held

    def _find(self, model_id: str) -> LoggedModel | None:
        with suppress(NotFound):
            return self.platform.logged_models.model(model_id)
        return None
