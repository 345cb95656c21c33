"""`tidewheel runs show`: all there is to know of one run, the models that came of it included.

Gathers from tracking and registry, which do not know each other, as the run's page does; local and remote alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidewheel.cli.command import Opened
from tidewheel.cli.output import card, print_grid

if TYPE_CHECKING:
    from tidewheel.tracking import DatasetInput
    from tidewheel.tracking.run_report import RunReport

_CONTEXT = "mlflow.data.context"
_MODELS = 50


def run_card(opened: Opened, run_id: str) -> RunReport:
    """Gather it.

    Raises:
        NotFound: if there is no such run.
    """
    from tidewheel.tracking.run_report import report_run

    report = report_run(opened.tracking, run_id)
    quoted = run_id.replace("'", "''")
    logged = opened.logged_models.search([report.run.experiment_id], f"source_run_id = '{quoted}'", limit=_MODELS)
    found = opened.registry.search_versions(filter=f"run_id = '{quoted}'", limit=_MODELS)
    registered = tuple(f"{version.model}/{version.number}" for version in found.versions)
    return replace(report, logged_models=tuple(logged.models), registered=registered)


def print_run(report: RunReport) -> None:
    """For people: what it is as a card, what it logged as tables."""
    card({key: value for key, value in _about(report).items() if value not in ("", None, [], {})})
    if report.metrics:
        rows = [[key, m.last, m.low, m.high, m.points] for key, m in report.metrics.items()]
        print_grid(["metric", "last", "min", "max", "points"], rows)
    if report.run.datasets:
        print_grid(["dataset", "for", "digest", "source type"], [_dataset(each) for each in report.run.datasets])
    if report.logged_models:
        print_grid(
            ["logged model", "id", "status"], [[each.name, each.id, each.status] for each in report.logged_models]
        )
    if report.artifacts:
        print_grid(["artifact", "bytes"], [[artifact.path, artifact.size_bytes] for artifact in report.artifacts])


def _about(report: RunReport) -> dict[str, Any]:
    """The lines of the card, by what people call them."""
    run, environment = report.run, report.environment
    git, command = environment.get("git", {}), environment.get("command", {})
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": _status(report),
        "user": run.user,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "inputs": list(run.inputs),
        "registered_as": list(report.registered),
        "params": run.params,
        "tags": run.tags,
        "commit": git.get("commit", ""),
        "changed": "yes" if git.get("dirty") else "",
        "command": " ".join(command.get("argv", [])),
        "python": environment.get("python", {}).get("version", ""),
        "packages": f"{len(environment['packages'])} recorded" if environment.get("packages") else "",
        "hardware": environment.get("hardware", {}).get("cpu", ""),
        "seeds": environment.get("seeds", {}),
    }


def _status(report: RunReport) -> str:
    if report.last_sign_at is None:
        return report.run.status
    gone = "; its process is gone" if report.process_gone else ""
    return f"{report.run.status}, no sign of life since {report.last_sign_at:%Y-%m-%d %H:%M:%S} UTC{gone}"


def _dataset(dataset: DatasetInput) -> list[str]:
    return [dataset.name, dataset.tags.get(_CONTEXT, ""), dataset.digest, dataset.source_type]
