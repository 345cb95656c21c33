"""From a folder of files to a predictor, checked: every file's BLAKE3 first, then trust, then the format.

Serving's workers call it with files that they keep, `Registry.load` with files just fetched. A version that was given a
faster runtime is run by that. It must never read a byte of a model before the check, nor run code that nobody vouched
for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from tidewheel.base.errors import Corrupt, NotAllowed, Unavailable
from tidewheel.base.hashing import hash_file
from tidewheel.registry.formats import CODE_FREE, Predictor, open_format
from tidewheel.registry.runtimes.loading import load_chosen

_log = logging.getLogger("tidewheel.registry")


def load_predictor(format_name: str, folder: Path, files: Mapping[str, str], trusted_by: str | None) -> Predictor:
    """The predictor of a version's files in a folder: of its runtime, or of its format where that is missing here.

    Raises:
        Corrupt: if a file is missing or is not what was registered.
        NotAllowed: if the format executes code and nobody is on record as trusting this version.
    """
    check_trust(format_name, trusted_by)
    check_files(folder, files)
    try:
        chosen = load_chosen(folder, files)
    except Unavailable as error:
        _log.warning("The model in %s is run by its format %s, not by its runtime: %s", folder, format_name, error)
        chosen = None
    return chosen or open_format(format_name).load(folder)


def check_trust(format_name: str, trusted_by: str | None, version: str = "MODEL/NUMBER") -> None:
    """Refuse a format that executes code where nobody vouched for the version, which a command calls `version`."""
    if open_format(format_name).executes_code and trusted_by is None:
        raise NotAllowed(
            f"Loading a {format_name} model runs code that it brings along, and nobody vouched for this one.",
            fix=f"`tidewheel models trust {version}` if you know where it came from; or log it in a format that holds "
            f"no code: {', '.join(CODE_FREE)}.",
        )


def use_one_thread() -> None:
    """Hold PyTorch, where a model has brought it in, to one thread: it has one number for the whole process."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse a folder whose files are not the registered ones."""
    for path, digest in files.items():
        file = folder / path
        if not file.is_file():
            raise Corrupt(f"The model file {path} is missing.", where=str(file), fix="Fetch the version again.")
        if hash_file(file) != digest:
            raise Corrupt(
                f"The model file {path} is not the one that was registered: its BLAKE3 differs.",
                where=str(file),
                fix="Fetch the version again; if that fails too, restore the blob from a backup.",
            )
