"""`tidewheel monitors …` and `tidewheel alerts …`: what is watched, and what has been seen."""

from __future__ import annotations

import typer

from tidewheel.cli.command import Opened, command
from tidewheel.cli.output import line, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(monitors, name="monitors")
    app.add_typer(alerts, name="alerts")


monitors = typer.Typer(help="Monitors: evidence against threshold.", no_args_is_help=True)
alerts = typer.Typer(help="Alerts: what the monitors have seen.", no_args_is_help=True)
_ALERTS = table("id", "at", "monitor", "endpoint", "state", "summary", empty="No alert.")


@command(
    monitors,
    "ls",
    show=table("monitor", "endpoint", "state", "log_evidence=evidence", "log_threshold=threshold", "seen", "summary"),
)
def ls(opened: Opened, endpoint: str | None = None) -> object:
    """Every monitor and how it stands."""
    return opened.monitoring.report(endpoint)


@command(monitors, "run", show=_ALERTS)
def run(opened: Opened) -> object:
    """Look now, and print the alerts that this raises."""
    return opened.monitoring.run()


@command(
    monitors,
    "report",
    show=table("monitor", "at", "log_evidence=evidence", "log_threshold=threshold", empty="No evidence yet."),
)
def report(opened: Opened, endpoint: str, since: str | None = None, limit: int = 200) -> object:
    """The course of every monitor's evidence, oldest first."""
    found = opened.monitoring.evidence(endpoint, since, limit)
    if not found and not opened.monitoring.report(endpoint):
        opened.serving.endpoint(endpoint)  # which refuses a name that is not there
    return found


@command(alerts, "ls", show=_ALERTS)
def list_alerts(opened: Opened, endpoint: str | None = None, limit: int = 100) -> object:
    """Alerts, newest first."""
    return opened.monitoring.alerts(endpoint, None, limit)


@command(alerts, "ack", show=line("Alert {id} is acknowledged."))
def acknowledge(opened: Opened, alert_id: str) -> object:
    """Say that a person has seen an alert."""
    return opened.monitoring.acknowledge(alert_id)
