"""A model card in Markdown, written from what the journal knows of a version: nothing is asked of its author.

The journal says where the version came from, how it was judged and what came of it on live traffic; what only people
know (intended use, limits) is handed in. Called by `Governance.model_card`. Pure: it prints facts, it reads no store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidewheel.governance.records import Lineage
from tidewheel.storage import Entry

_TOLD = ("registry.version.registered",)


def write_card(version_id: str, entries: Sequence[Entry], lineage: Lineage, words: Mapping[str, str]) -> str:
    """The card; `words` are sections that people add, by their heading."""
    registered = next((entry for entry in entries if entry.kind in _TOLD), None)
    facts = registered.data if registered else {}
    title = f"{facts['model']} {facts['number']}" if {"model", "number"} <= facts.keys() else version_id
    parts = [f"# Model card: {title}", "", f"Version `{version_id}`" + _registered(registered), ""]
    for heading, text in words.items():
        parts += [f"## {heading}", "", text, ""]
    parts += _metrics(facts.get("metrics") or {})
    parts += ["## Where it came from", "", *_origins(version_id, lineage), ""]
    parts += ["## What happened to it", "", *(f"- {_line(entry)}" for entry in entries), ""]
    return "\n".join(parts)


def _registered(entry: Entry | None) -> str:
    return f", registered {entry.at:%Y-%m-%d %H:%M} UTC by {entry.actor}." if entry else "."


def _metrics(metrics: Mapping[str, float]) -> list[str]:
    if not metrics:
        return []
    rows = [f"| {_cell(name)} | {value:.6g} |" for name, value in sorted(metrics.items())]
    return ["## Metrics at training", "", "| metric | value |", "| --- | --- |", *rows, ""]


def _origins(version_id: str, lineage: Lineage) -> list[str]:
    root = f"version:{version_id}"
    found = [f"- {node.kind}: `{node.id.partition(':')[2]}`" for node in lineage.nodes if node.id != root]
    return found or ["The journal names no origin."]


def _line(entry: Entry) -> str:
    reason = entry.data.get("reason") or entry.data.get("summary") or ""
    words = f"{entry.at:%Y-%m-%d %H:%M} UTC, {entry.actor}: {entry.kind}"
    return f"{words}. {reason}" if reason else words


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
