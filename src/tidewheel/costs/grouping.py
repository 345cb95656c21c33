"""Which group of a summary an item belongs to: by kind, by subject, or by what the subject was used for.

A pipeline run belongs to the turn that asked for it, a turn and an endpoint to their loop; the journal knows. What
belongs to none is the group `other`. Called by `Costs.summary`; it only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from tidewheel.costs import store
from tidewheel.costs.records import CostGrouping, CostItem, CostLine

OTHER = "other"


def group(connection: Connection, items: Sequence[CostItem], by: CostGrouping) -> list[CostLine]:
    """The items' sums by group, the dearest first."""
    key_of = _keys(connection, items, by)
    costs: dict[str, float] = {}
    quantities: dict[str, dict[str, float]] = {}
    for item in items:
        key = key_of(item)
        costs[key] = costs.get(key, 0.0) + item.cost_usd
        used = quantities.setdefault(key, {})
        used[item.unit] = used.get(item.unit, 0.0) + item.quantity
    lines = [CostLine(key, cost_usd, quantities[key]) for key, cost_usd in costs.items()]
    return sorted(lines, key=lambda line: (-line.cost_usd, line.key))


def _keys(connection: Connection, items: Sequence[CostItem], by: CostGrouping) -> Callable[[CostItem], str]:
    if by == "kind":
        return lambda item: item.kind
    if by == "subject":
        return lambda item: item.subject
    if by in ("pipeline_run", "endpoint"):
        return lambda item: item.subject if item.subject.startswith(f"{by}:") else OTHER
    runs = sorted({item.subject for item in items if item.subject.startswith("pipeline_run:")})
    turns = store.turns_of_runs(connection, runs)
    if by == "turn":
        return lambda item: turns.get(item.subject, OTHER)
    loops = store.loops_of_turns(connection, sorted(set(turns.values())))
    owners = store.loops_of_endpoints(connection) | {run: loops[turn] for run, turn in turns.items() if turn in loops}
    return lambda item: item.subject if item.subject.startswith("loop:") else owners.get(item.subject, OTHER)
