"""Floor 9: the command line. Arguments become a call of a verb, its result a table or JSON. Nothing is decided here.

One file per room, found by discovery: each has `register(app)`. A command is a function that takes the opened platform
and its own arguments and returns what the verb returned; `command.py` adds `--json`, `--home` and `--url`, prints, and
maps errors to exit codes. Nothing heavy may be imported at the top of a file: `tidewheel --help` takes under 250 ms.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The `tidewheel` program."""
    from tidewheel.cli.program import build

    sys.exit(build()(standalone_mode=True))


__all__ = ["main"]
