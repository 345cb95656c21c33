"""How a version of a dataset is named: ``rides``, ``rides@4``, ``rides@golden``, ``rides@2026-01-31T06:00Z``.

Pure. `Data` looks up what is named here.
"""

from __future__ import annotations

import re
from datetime import datetime

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_instant

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
Ref = str | int | None


def split_ref(name: str, ref: Ref = None) -> tuple[str, Ref]:
    """The dataset and the ref of ``rides@4``; a ref given beside the name may not be in it too."""
    dataset, at, inside = name.partition("@")
    if at and (not inside or ref is not None):
        raise InvalidInput(f"{name!r} with the ref {ref!r} does not name one version.", fix="Write 'rides@4'.")
    return dataset, inside or ref


def as_number(ref: str | int) -> int | None:
    """The commit number that a ref is, or None."""
    return int(ref) if isinstance(ref, int) or (ref.isascii() and ref.isdigit()) else None


def as_instant(ref: str) -> datetime | None:
    """The instant that a ref is, or None."""
    try:
        return parse_instant(ref)
    except InvalidInput:
        return None


def check_tag(name: str) -> str:
    """A tag's name, if it can be one: it must not look like a number or an instant.

    Raises:
        InvalidInput: if it cannot.
    """
    if not _TAG.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a name for a tag.", fix="Begin with a letter; go on with letters, digits, '_', '-', '.'."
        )
    return name
