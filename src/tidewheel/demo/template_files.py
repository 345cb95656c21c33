"""Writes a new project: the template's files, and a history of deliveries for the first model to learn from."""

from __future__ import annotations

import csv
import importlib.util
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidewheel.base.errors import Conflict

TEMPLATE = Path(__file__).parent / "template"
_ROWS = 4000
_HISTORY = timedelta(days=20)


def write_project(folder: Path) -> list[Path]:
    """Write the project's files and return them.

    Raises:
        Conflict: if the folder holds a file of the same name; nothing is then written.
    """
    names = [path.name for path in sorted(TEMPLATE.iterdir()) if path.suffix in {".py", ".md"}]
    taken = [name for name in [*names, "deliveries.csv"] if (folder / name).exists()]
    if taken:
        raise Conflict(f"{folder} already has {', '.join(taken)}.", fix="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(TEMPLATE / name, folder / name)
    _write_history(folder / "deliveries.csv")
    return [folder / name for name in [*names, "deliveries.csv"]]


def _write_history(path: Path) -> None:
    """Deliveries of the last weeks, drawn from the same world as the template's traffic."""
    spec = importlib.util.spec_from_file_location("template_traffic", TEMPLATE / "traffic.py")
    assert spec is not None
    assert spec.loader is not None
    traffic = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(traffic)
    chance, now = random.Random(1), datetime.now(UTC).replace(microsecond=0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "depot", "distance_km", "items", "hour", "late", "ordered_at", "delivered_at"])
        for number in range(_ROWS):
            order = traffic.make_order(chance)
            ordered_at = now - _HISTORY * (1 - number / _ROWS)
            late = float(chance.random() < traffic.late_chance(order, shifted=False))
            instants = [ordered_at.isoformat(), (ordered_at + timedelta(minutes=30)).isoformat()]
            writer.writerow([f"past-{number}", *order.values(), late, *instants])
