"""The columns of a table of runs: which there are, which are shown, how each is sorted and what stands in it. Pure.

A column is named as the filter's grammar names it: `params.depth`, ``metrics.`val/loss` ``, `attributes.start_time`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidewheel.base.units import format_duration
from tidewheel.server.pages.figures import UNKNOWN, measured
from tidewheel.tracking import Run, RunKeys

Kind = Literal["params", "metrics", "tags", "attributes"]
KINDS: tuple[Kind, ...] = ("metrics", "params", "tags", "attributes")
ATTRIBUTES: dict[str, str] = {
    "start_time": "Started",
    "duration": "Duration",
    "user": "User",
    "source": "Source",
    "commit": "Git commit",
    "run_id": "Run id",
}
ALWAYS = ("start_time", "duration", "user")
_SORTED_ATTRIBUTES = {"start_time": "start_time", "user": "user_id", "run_id": "run_id"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ORDER = re.compile(r"\s*(?P<what>.+?)(?:\s+(?P<way>asc|desc))?\s*", re.IGNORECASE)
_HIDDEN_TAGS = "mlflow."
_SHOWN_OF_A_KIND = 4


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column: `key` is the metric's, param's or tag's name, or an attribute's."""

    kind: Kind
    key: str

    @property
    def spec(self) -> str:
        """As an address and a saved view name it."""
        return f"{self.kind}.{self.key}"

    @property
    def title(self) -> str:
        """What stands at its head."""
        return ATTRIBUTES[self.key] if self.kind == "attributes" else self.key

    @property
    def numeric(self) -> bool:
        """Whether figures stand in it, one below the other."""
        return self.kind == "metrics" or self.key == "duration"

    @property
    def order(self) -> str | None:
        """What `order_by` calls it; None if runs cannot be sorted by it."""
        if self.kind == "attributes":
            name = _SORTED_ATTRIBUTES.get(self.key)
            return f"attributes.{name}" if name else None
        return f"{self.kind}.{self.key if _PLAIN.fullmatch(self.key) else f'`{self.key}`'}"

    def text(self, run: Run) -> str:
        """What a run has in it."""
        if self.kind == "metrics":
            return measured(run.metrics[self.key]) if self.key in run.metrics else ""
        if self.kind == "attributes":
            return attribute(run, self.key)
        return (run.params if self.kind == "params" else run.tags).get(self.key, "")


def attribute(run: Run, key: str) -> str:
    """A run's attribute as text; `start_time` is an instant and not told here."""
    if key == "duration":
        return lasted(run)
    found = {"user": run.user, "run_id": run.id, "source": source(run.tags), "commit": commit(run.tags)[:8]}
    return found.get(key, "")


def lasted(run: Run) -> str:
    """How long a run took, or nothing while it runs."""
    if run.ended_at is None:
        return UNKNOWN
    return format_duration(max(run.ended_at - run.started_at, timedelta()))


def source(tags: Mapping[str, str]) -> str:
    """What was run: the file's own name."""
    return re.split(r"[\\/]", tags.get("mlflow.source.name", ""))[-1]


def commit(tags: Mapping[str, str]) -> str:
    """The git commit that was run."""
    return tags.get("mlflow.source.git.commit", "")


def read_columns(specs: Iterable[str]) -> tuple[RunColumn, ...]:
    """Columns as an address or a saved view names them; what is none is left out."""
    found = []
    for spec in specs:
        kind, _, key = spec.partition(".")
        if key and kind in KINDS and (kind != "attributes" or key in ATTRIBUTES):
            found.append(RunColumn(kind, key))
    return tuple(dict.fromkeys(found))


def usual_columns(runs: Sequence[Run], keys: RunKeys) -> tuple[RunColumn, ...]:
    """What to show when nothing was chosen: a few metrics, and the params in which these runs differ."""
    always = [RunColumn("attributes", key) for key in ALWAYS]
    metrics = [RunColumn("metrics", key) for key in keys.metrics if not key.startswith("system/")]
    differing = [key for key in keys.params if len({run.params.get(key) for run in runs}) > 1]
    alike = [key for key in keys.params if key not in differing]
    params = [RunColumn("params", key) for key in (*differing, *alike)]
    return (*always, *metrics[:_SHOWN_OF_A_KIND], *params[:_SHOWN_OF_A_KIND])


def choices(keys: RunKeys) -> dict[Kind, tuple[RunColumn, ...]]:
    """Every column there is, by kind; MLflow's own tags are left out."""
    tags = tuple(key for key in keys.tags if not key.startswith(_HIDDEN_TAGS))
    found: dict[Kind, tuple[str, ...]] = {
        "metrics": keys.metrics,
        "params": keys.params,
        "tags": tags,
        "attributes": tuple(ATTRIBUTES),
    }
    return {kind: tuple(RunColumn(kind, key) for key in names) for kind, names in found.items()}


def next_order(column: RunColumn, order: str) -> tuple[str, Literal["ascending", "descending", "none"]]:
    """The order that a click on a column's head asks for, and how it is sorted by now."""
    match = _ORDER.fullmatch(order)
    by = match["what"].replace("`", "").replace('"', "") if match else ""
    name = (column.order or "").replace("`", "")
    if not by or by not in {name, name.removeprefix("attributes.")}:
        return f"{column.order} {'ASC' if column.kind in ('params', 'tags') else 'DESC'}", "none"
    descending = match is not None and (match["way"] or "").lower() == "desc"
    return f"{column.order} {'ASC' if descending else 'DESC'}", "descending" if descending else "ascending"
