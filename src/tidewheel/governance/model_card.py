"""A model card in Markdown, written from what the journal knows of a version: nothing is asked of its author.

The journal says where the version came from, how it was judged and what came of it on live traffic; what only people
know (intended use, limits) is handed in. Called by `Governance.model_card`. Pure: it prints facts, it reads no store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidewheel.governance.records import Lineage
from tidewheel.storage import Entry

_TOLD = ("registry.version.registered",)


def write_card(
    version_id: str, entries: Sequence[Entry], lineage: Lineage, turns: Sequence[Entry], words: Mapping[str, str]
) -> str:
    """The card; `turns` are entries on the turns that made it, `words` sections that people add, by their heading."""
    registered = next((entry for entry in entries if entry.kind in _TOLD), None)
    facts = registered.data if registered else {}
    title = f"{facts['model']} {facts['number']}" if {"model", "number"} <= facts.keys() else version_id
    parts = [f"# Model card: {title}", "", f"Version `{version_id}`" + _registered(registered), ""]
    for heading, text in words.items():
        parts += [f"## {heading}", "", text, ""]
    parts += _metrics(facts.get("metrics") or {})
    parts += ["## Where it came from", "", *_origins(version_id, lineage), ""]
    parts += _judgements(turns)
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
    near = _near(root, lineage)
    nodes = [node for node in lineage.nodes if node.id != root and node.id in near]
    return [f"- {node.kind}: `{node.id.partition(':')[2]}`" for node in nodes] or ["The journal names no origin."]


def _near(root: str, lineage: Lineage) -> set[str]:
    """The nodes that it came from, without the versions of a dataset before the one that was used."""
    sources: dict[str, list[str]] = {}
    for edge in lineage.edges:
        if not (edge.source.startswith("commit:") and edge.source.partition("@")[0] == edge.target.partition("@")[0]):
            sources.setdefault(edge.target, []).append(edge.source)
    near, here = {root}, [root]
    while here:
        here = [source for node in here for source in sources.get(node, ()) if source not in near]
        near.update(here)
    return near


def _judgements(turns: Sequence[Entry]) -> list[str]:
    """What the gates said of it, in the turn whose candidate it was."""
    said = [(entry, verdict) for entry in turns for verdict in entry.data.get("verdicts") or ()]
    if not said:
        return []
    rows = [
        f"| {_cell(str(verdict['gate']))} | {'passed' if verdict['passed'] else 'refused'} "
        f"| {_cell(str(verdict['summary']))} | {entry.at:%Y-%m-%d %H:%M} UTC |"
        for entry, verdict in said
    ]
    return ["## How it was judged", "", "| gate | verdict | why | at |", "| --- | --- | --- | --- |", *rows, ""]


def _line(entry: Entry) -> str:
    reason = entry.data.get("reason") or entry.data.get("summary") or ""
    words = f"{entry.at:%Y-%m-%d %H:%M} UTC, {entry.actor}: {entry.kind}"
    return f"{words}. {reason}" if reason else words


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
