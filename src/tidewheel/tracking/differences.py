"""What differs between runs: params, metrics, code, packages, data, hardware, seeds. `tidewheel runs compare`.

Only differences are told; a fact that one run did not record is told as missing, not as different by guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidewheel.base.errors import InvalidInput
from tidewheel.base.hashing import hash_bytes
from tidewheel.tracking.capture import DIRTY_TAG, FOLDER, SAME_AS_TAG
from tidewheel.tracking.capture.reading import DATA_TAG, FEATURES_TAG
from tidewheel.tracking.process_identity import PROCESS_TAG
from tidewheel.tracking.records import Run
from tidewheel.tracking.run_report import read_artifact, read_environment
from tidewheel.tracking.service import Tracking

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RunDifferences:
    """By group, each fact that is not the same in all runs, in the order of `run_ids`; metrics are told in any case."""

    run_ids: tuple[str, ...]
    params: dict[str, Row] = field(default_factory=dict)
    tags: dict[str, Row] = field(default_factory=dict)
    metrics: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    code: dict[str, Row] = field(default_factory=dict)
    packages: dict[str, Row] = field(default_factory=dict)
    data: dict[str, Row] = field(default_factory=dict)
    hardware: dict[str, Row] = field(default_factory=dict)
    seeds: dict[str, Row] = field(default_factory=dict)
    not_recorded: tuple[str, ...] = ()


def difference_of_runs(tracking: Tracking, run_ids: Sequence[str]) -> RunDifferences:
    """Compare runs, the first with all others.

    Raises:
        InvalidInput: if there are not at least two.
    """
    if len(set(run_ids)) < 2:
        raise InvalidInput(
            f"One run alone cannot be compared: {', '.join(dict.fromkeys(run_ids))}.",
            fix="Name two or more, as `tidewheel runs ls` shows them; `tidewheel runs show` tells of one.",
        )
    compared = tracking.compare(list(run_ids))
    runs = [tracking.run(run_id) for run_id in run_ids]
    environments = [read_environment(tracking, run) for run in runs]
    return RunDifferences(
        run_ids=tuple(run_ids),
        params=compared.params,
        tags={key: row for key, row in compared.tags.items() if not _told_elsewhere(key)},
        metrics=compared.metrics,
        code=_differing([_code(tracking, run, env) for run, env in zip(runs, environments, strict=True)]),
        packages=_differing([env.get("packages", {}) for env in environments if env], of=environments),
        data=_differing([_tags(run, DATA_TAG, FEATURES_TAG) for run in runs]),
        hardware=_differing([_hardware(env) for env in environments]),
        seeds=_differing([env.get("seeds", {}) for env in environments]),
        not_recorded=tuple(run.id for run, env in zip(runs, environments, strict=True) if not env),
    )


def _code(tracking: Tracking, run: Run, environment: Mapping[str, Any]) -> dict[str, str]:
    git, command = environment.get("git", {}), environment.get("command", {})
    diff = read_artifact(tracking, run.id, f"{FOLDER}/changes.diff") if git.get("diff") else None
    told = {
        "commit": git.get("commit") or run.tags.get("mlflow.source.git.commit"),
        "branch": git.get("branch") or run.tags.get("mlflow.source.git.branch"),
        "uncommitted changes": hash_bytes(diff)[:12] if diff else ("too long to keep" if git.get("dirty") else None),
        "command": " ".join(command.get("argv", [])) or None,
        "python": environment.get("python", {}).get("version"),
    }
    return {key: value for key, value in told.items() if value}


def _hardware(environment: Mapping[str, Any]) -> dict[str, str]:
    hardware, platform = environment.get("hardware", {}), environment.get("platform", {})
    gpus = ", ".join(gpu.get("name", "?") for gpu in hardware.get("gpus", []))
    told = {"cpu": hardware.get("cpu"), "cores": hardware.get("cores"), "memory": hardware.get("memory_bytes")}
    told |= {"gpus": gpus or None, "system": " ".join(map(str, platform.values())) or None}
    return {key: str(value) for key, value in told.items() if value}


def _tags(run: Run, *prefixes: str) -> dict[str, str]:
    return {key.removeprefix("tidewheel."): value for key, value in run.tags.items() if key.startswith(prefixes)}


def _told_elsewhere(key: str) -> bool:
    return key.startswith(("mlflow.source.git.", DATA_TAG, FEATURES_TAG)) or key in (
        DIRTY_TAG,
        PROCESS_TAG,
        SAME_AS_TAG,
    )


def _differing(facts: Sequence[Mapping[str, Any]], of: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Row]:
    """The facts that are not the same everywhere. Where some of `of` recorded nothing, they have no say."""
    if of is not None and len(facts) < 2:
        return {}
    told = iter(facts)
    columns = list(facts) if of is None else [next(told) if env else None for env in of]
    rows: dict[str, Row] = {}
    for key in sorted({key for fact in facts for key in fact}):
        row = tuple(None if column is None or key not in column else str(column[key]) for column in columns)
        heard = {value for value, column in zip(row, columns, strict=True) if column is not None}
        if len(heard) > 1:
            rows[key] = row
    return rows
