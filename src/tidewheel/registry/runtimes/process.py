"""`python -m tidewheel.registry.runtimes.process FOLDER`: chooses the runtime of one version, and ends.

Converting loads the model, and converters are native code too, so like `isolated_process.py` this knows nothing of the
install. The chosen runtime's files are left beside the version's; what it costs to ask is written to `measured.json`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.parent import exit_with_parent
from tidewheel.registry.isolated_process import TASK, work_bounded
from tidewheel.registry.load import check_files, check_trust, use_one_thread
from tidewheel.registry.packaging_facts import measure
from tidewheel.registry.runtimes import CHOICE, NATIVE
from tidewheel.registry.runtimes.choosing import Asked, choose_runtime
from tidewheel.registry.runtimes.loading import require_chosen
from tidewheel.registry.runtimes.records import Quantize, Tolerance

ROWS, LABELS, MEASURED = "rows.npy", "labels.npy", "measured.json"


class OptimizeTask(msgspec.Struct, frozen=True, kw_only=True):
    """Which version's files, and what is wanted of them; the rows are in `rows.npy`, their labels in `labels.npy`."""

    format: str
    files: dict[str, str]
    files_folder: str
    trusted_by: str | None
    runtime: str
    tolerance: Tolerance
    quantize: Quantize | None
    memory_mb: int


def main(folder: Path) -> None:
    """Do the task in a folder and end."""
    exit_with_parent()
    task = msgspec.json.decode((folder / TASK).read_bytes(), type=OptimizeTask)
    work_bounded(folder, task.memory_mb, lambda: _choose(task, folder))


def _choose(task: OptimizeTask, folder: Path) -> None:
    files, rows = Path(task.files_folder), np.load(folder / ROWS, allow_pickle=False)
    check_trust(task.format, task.trusted_by)
    check_files(files, task.files)
    if task.format == "safetensors":
        import torch  # noqa: F401 - brought in early, so that what is timed has the one thread that serving has
    use_one_thread()
    asked = Asked(
        runtime=task.runtime, tolerance=task.tolerance, quantize=task.quantize, labels=_labels(folder / LABELS)
    )
    choice = choose_runtime(task.format, files, rows, asked)
    if choice.runtime != NATIVE:
        _, measured = measure(lambda: require_chosen(files, {CHOICE}), rows)
        (folder / MEASURED).write_bytes(msgspec.json.encode(measured))


def _labels(path: Path) -> NDArray[np.float64] | None:
    return np.load(path, allow_pickle=False) if path.exists() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
