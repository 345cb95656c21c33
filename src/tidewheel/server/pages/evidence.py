"""The figures behind an entry, as label and text: why this was rolled back, what a monitor saw, what the gates said.

Pure. Entries of kinds without a telling of their own are flattened as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidewheel.base.units import format_duration
from tidewheel.server.pages.figures import count, figure, milliseconds

Data = Mapping[str, Any]
Facts = Iterator[tuple[str, str]]
_MAX_TEXT = 240
_MAX_ITEMS = 6


def flat_facts(data: Data, prefix: str = "") -> Facts:
    """All figures of an entry, nested ones under their path; what is empty is left out."""
    for key, value in data.items():
        label = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from flat_facts(value, f"{label} · ")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value[:_MAX_ITEMS], 1):
                yield from flat_facts(item, f"{item.get('name') or item.get('type') or f'{label} {number}'} · ")
        elif (text := _text(key, value)) != "":
            yield label, text


def decision_facts(data: Data) -> Facts:
    """A rollout's decision: what each check says, the arms, how long it had waited."""
    evidence = data.get("evidence", {})
    for name, check in evidence.get("checks", {}).items():
        yield name, str(check.get("says", ""))
    for arm, numbers in evidence.get("arms", {}).items():
        yield arm, _arm(numbers)
    agreement = evidence.get("agreement")
    if agreement:
        yield "same answer", f"to {count(agreement['agreeing'])} of {count(agreement['pairs'])} mirrored requests"
    if evidence.get("waited_s"):
        yield "in this stage for", format_duration(evidence["waited_s"])


def alert_facts(data: Data) -> Facts:
    """An alert: evidence against threshold, since when, and which features moved most."""
    if "log_evidence" in data:
        yield "evidence", f"{figure(data['log_evidence'])} of {figure(data.get('log_threshold'))} nats"
    if data.get("change_at"):
        yield "since", str(data["change_at"])
    if data.get("labels"):
        yield "labels", count(data["labels"])
    shifted = data.get("shifted") or data.get("findings") or []
    for finding in shifted[:_MAX_ITEMS]:
        effect = f"{figure(finding['effect'])} {finding['unit']}".strip()
        yield finding["name"], f"{effect}, evidence {figure(finding['log_evidence'])}"


def turn_facts(data: Data) -> Facts:
    """A turn's step: why it began, the rows it had, what each gate said."""
    if data.get("rows"):
        yield "labelled rows", count(data["rows"])
    if data.get("change_at"):
        yield "the world changed", str(data["change_at"])
    for verdict in data.get("verdicts", ()):
        yield verdict["gate"], f"{'passed' if verdict['passed'] else 'said no'}: {verdict['summary']}"


def _arm(numbers: Data) -> str:
    told = [f"{count(numbers.get('requests', 0))} requests", f"{count(numbers.get('errors', 0))} failed"]
    if numbers.get("latency_p99_ms") is not None:
        told.append(f"p99 {milliseconds(numbers['latency_p99_ms'])}")
    if numbers.get("labelled"):
        told.append(f"{count(numbers['labelled'])} labelled with mean {figure(numbers.get('goal_mean'))}")
    return ", ".join(told)


def _text(key: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_duration(value) if key.endswith("_s") and value else figure(float(value))
    if isinstance(value, list):
        return ", ".join(str(item) for item in value[: 2 * _MAX_ITEMS])[:_MAX_TEXT]
    return str(value)[:_MAX_TEXT]
