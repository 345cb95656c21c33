"""Keeps Python's global random generator as it was while Tidewheel loads: some libraries draw from it when imported.

Without this, a script that seeds and then calls `tw.start_run` would draw other numbers in another environment. Used by
the face of the package and by `ambient.current`, which import rooms when they are first needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed_draws() -> Iterator[None]:
    """What is drawn after the block is what would have been drawn without it."""
    random = sys.modules.get("random")  # where nobody has imported it, nobody has seeded it
    state = random.getstate() if random is not None else None
    try:
        yield
    finally:
        if random is not None:
            random.setstate(state)
