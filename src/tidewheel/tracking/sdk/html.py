"""Runs as notebooks show them: HTML without scripts, every text escaped, legible on light and dark pages because it
takes the page's own colours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from tidewheel.tracking.records import Run, RunComparison

_TABLE = "border-collapse:collapse;font-size:.9em"
_CELL = "padding:.2em .8em .2em 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.3)"
_MARKS = {"FINISHED": "✓", "FAILED": "✗", "KILLED": "✗", "RUNNING": "…", "SCHEDULED": "…"}
_MOST = 30
_MOST_RUNS = 100


def run_card(run: Run) -> str:
    """One run: what it is called, how it went, params, metrics and tags."""
    about = f"{_MARKS.get(run.status, '')} {run.status.lower()} · {run.experiment} · {run.user} · "
    about += f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC{_took(run)}"
    tags = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
    parts = [f"<strong>{escape(run.name)}</strong> <code>{escape(run.id)}</code>", f"<div>{escape(about)}</div>"]
    groups: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("Metrics", {key: f"{value:g}" for key, value in run.metrics.items()}),
        ("Params", run.params),
        ("Tags", tags),
    )
    parts += [_details(title, values) for title, values in groups if values]
    return f"<div>{''.join(parts)}</div>"


def run_table(runs: Sequence[Run], *, more: bool = False) -> str:
    """Runs in rows, with all their metrics and the params in which they differ."""
    shown = runs[:_MOST_RUNS]
    metrics = sorted({key for run in shown for key in run.metrics})[:_MOST]
    differing = [k for k in sorted({k for r in shown for k in r.params}) if len({r.params.get(k) for r in shown}) > 1]
    params = differing[:_MOST]
    head = ["name", "id", "status", "started (UTC)", *metrics, *params]
    rows = [
        [
            run.name, run.id, f"{_MARKS.get(run.status, '')} {run.status.lower()}", f"{run.started_at:%Y-%m-%d %H:%M}",
            *(f"{run.metrics[key]:g}" if key in run.metrics else "" for key in metrics),
            *(run.params.get(key, "") for key in params),
        ]
        for run in shown
    ]  # fmt: skip
    left = (
        f"and {len(runs) - len(shown)} more" if len(runs) > len(shown) else "and more on the next page" if more else ""
    )
    return _table(head, rows) + (f"<div>{left}</div>" if left else "")


def comparison_table(comparison: RunComparison) -> str:
    """Runs side by side: what differs, then the metrics."""
    groups = (comparison.params, comparison.tags, comparison.metrics)
    rows = [[key, *("" if value is None else value for value in row)] for group in groups for key, row in group.items()]
    return _table(["", *comparison.run_ids], rows)


def _details(title: str, values: Mapping[str, object]) -> str:
    shown = list(values.items())[:_MOST]
    more = f" (the first {_MOST} of {len(values)})" if len(values) > _MOST else ""
    opened = " open" if title != "Tags" else ""
    table = _table([], [[key, value] for key, value in shown])
    return f"<details{opened}><summary>{title}{more}</summary>{table}</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f'<th style="{_CELL}">{escape(title)}</th>' for title in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(str(cell))}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f'<table style="{_TABLE}">{f"<tr>{top}</tr>" if top else ""}{body}</table>'


def _took(run: Run) -> str:
    return f" · {(run.ended_at - run.started_at).total_seconds():.1f} s" if run.ended_at else ""
