"""A model card in Markdown, written from what the registry knows. Pure; printed by `tidewheel models card`.

After Mitchell et al., Model Cards for Model Reporting (2019), as far as a registry can know it:
intended use and ethics are for people to add.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.cli.output import text

if TYPE_CHECKING:
    from tidewheel.registry import ModelVersion


def model_card(version: ModelVersion) -> str:
    """The card of one version."""
    return "\n".join(_lines(version)) + "\n"


def _lines(version: ModelVersion) -> Iterator[str]:
    yield f"# {version.model}, version {version.number}"
    yield ""
    yield f"- Id: `{version.id}`" + (f", aliases {', '.join(version.aliases)}" if version.aliases else "")
    yield f"- Made: {version.created_at:%Y-%m-%d %H:%M} UTC" + (
        f", by run `{version.run_id}`" if version.run_id else ""
    )
    yield f"- Format: {version.format}, {version.size_bytes:,} bytes in {len(version.files)} files"
    if version.executes_code:
        yield f"- Runs code when loaded; {version.trusted_by} vouched for it"
    yield from _section("Trained on", [f"- `{commit}`" for commit in version.commits])
    if version.feature_set_name:
        short = (version.feature_set_hash or "")[:12]
        yield from _section("Features", [f"Feature set `{version.feature_set_name}`, definition `{short}`."])
    yield from _section("Takes", [f"- `{name}` ({dtype})" for name, dtype in version.signature.inputs])
    yield from _section("Gives", [f"- `{name}` ({dtype})" for name, dtype in version.signature.outputs])
    yield from _section("Metrics", [f"- {name}: {text(value)}" for name, value in version.metrics.items()])
    yield from _section("Evaluation", [f"- {name}: {text(value)}" for name, value in version.evaluation.items()])
    yield from _section("Files", [f"- `{path}` BLAKE3 `{digest}`" for path, digest in version.files.items()])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {title}", "", *lines)
