"""What the registry knows of a version, as sections of its model card: what it is, takes, weighs and runs in.

The journal's part (origins, judgements, what happened) is written by governance, which puts these sections before it.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidewheel.registry.records import ModelVersion


def card_sections(version: ModelVersion) -> dict[str, str]:
    """The text of each section by its heading, without those of which nothing is known."""
    sections = {
        "What it is": _what_it_is(version),
        "Signature": _signature(version),
        "Measured": _table("figure", version.measured | {"size_bytes": float(version.size_bytes)}),
        "Evaluation": _table("finding", _flat(version.evaluation)),
        "Environment": _table("part", _flat(version.environment)),
        "Tags": _table("tag", version.tags),
    }
    return {heading: text for heading, text in sections.items() if text}


def _what_it_is(version: ModelVersion) -> str:
    aliases = ", ".join(f"`{alias}`" for alias in version.aliases) or "none"
    lines = [
        f"- format: `{version.format}`, {len(version.files)} files",
        f"- aliases: {aliases}",
        f"- stage: {version.stage}",
        f"- owner: {version.user or 'unknown'}",
        f"- trust: {_trust(version)}",
    ]
    if version.source:
        lines.append(f"- source: `{version.source}`")
    if version.model_id:
        lines.append(f"- logged model: `{version.model_id}`")
    if version.deleted_at:
        lines.append(f"- deleted: {version.deleted_at:%Y-%m-%d %H:%M} UTC")
    words = [version.description.strip(), ""] if version.description.strip() else []
    return "\n".join([*words, *lines])


def _trust(version: ModelVersion) -> str:
    if not version.executes_code:
        return "not needed, loading it runs no code"
    if version.trusted_by is None:
        return "**nobody vouched for it**: loading it runs code, and is refused until someone does"
    return f"loading it runs code; {version.trusted_by} vouched for it"


def _signature(version: ModelVersion) -> str:
    if not version.signature.inputs and not version.signature.outputs:
        return ""
    optional, signature = set(version.signature.optional), version.signature
    rows = [("input", name, f"{dtype}, optional" if name in optional else dtype) for name, dtype in signature.inputs]
    rows += [("output", name, dtype) for name, dtype in signature.outputs]
    shapes = (*(signature.input_shapes or [()] * len(signature.inputs)), *signature.output_shapes)
    for place, shape in enumerate(shapes):
        if shape:
            rows[place] = (*rows[place][:2], f"{rows[place][2]} {list(shape)}")
    return _grid(("side", "name", "type"), rows)


def _table(what: str, values: Mapping[str, Any]) -> str:
    rows = [(key, f"{value:.6g}" if isinstance(value, float) else str(value)) for key, value in sorted(values.items())]
    return _grid((what, "value"), rows) if rows else ""


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values by their path, as `packages.numpy`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def _grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
