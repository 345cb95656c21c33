"""The files of each export: templates of the folder `exports/`, with the release's version put in, and the dashboard.

Pure but for reading the templates that are shipped in the package. Called by `Delivery.export`.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files

from tidewheel.delivery.dashboard import dashboard
from tidewheel.delivery.records import ExportKind

# where each template goes in the target folder
_TEMPLATES: dict[ExportKind, dict[str, str]] = {
    "docker": {"Dockerfile": "Dockerfile", "compose.yaml": "compose.yaml", "dockerignore": ".dockerignore"},
    "grafana": {"prometheus.yml": "prometheus.yml"},
    "github-actions": {"tidewheel.yml": ".github/workflows/tidewheel.yml"},
}


def export_files(kind: ExportKind) -> dict[str, str]:
    """The files of an export: path in the target folder -> text."""
    folder = files("tidewheel.delivery") / "exports" / kind
    found = {
        target: (folder / name).read_text(encoding="utf-8").replace("@VERSION@", version("tidewheel"))
        for name, target in _TEMPLATES[kind].items()
    }
    if kind == "grafana":
        found["tidewheel-dashboard.json"] = json.dumps(dashboard(), indent=2) + "\n"
    return found
