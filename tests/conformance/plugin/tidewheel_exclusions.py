"""Which of MLflow's tests are left out, and why: `exclusions.toml` as `mlflow_on_tidewheel` reads and reports it."""

from __future__ import annotations

import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

_LIST = Path(__file__).parent.parent / "exclusions.toml"


class Exclusions:
    """The rules of the list, and how many tests each has left out."""

    def __init__(self) -> None:
        self.rules: list[dict[str, list[str]]] = tomllib.loads(_LIST.read_text())["exclude"]
        self.counted: Counter[str] = Counter()

    def reason(self, nodeid: str) -> str | None:
        """Why a test is left out; the first rule that fits, or None."""
        for rule in self.rules:
            if any(fnmatchcase(nodeid, f"*{pattern}") for pattern in rule["tests"]):
                return str(rule["reason"])
        return None
