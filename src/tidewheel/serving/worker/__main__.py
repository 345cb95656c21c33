"""`python -m tidewheel.serving.worker --home H --host 127.0.0.1 --port 7601 --index 0`: one inference worker."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tidewheel.base.errors import TidewheelError
from tidewheel.base.parent import exit_with_parent
from tidewheel.base.settings import Settings, home_folder
from tidewheel.serving.worker.process import Place, serve


def main() -> int:
    """Run one worker until SIGTERM, or until whoever started it is gone."""
    settings = Settings()
    parser = argparse.ArgumentParser(prog="tidewheel worker")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--host", default=settings.get("serving.host", str))
    parser.add_argument("--port", type=int, default=settings.get("serving.port", int))
    parser.add_argument("--index", type=int, default=0)
    given = parser.parse_args()
    exit_with_parent()
    try:
        serve(Place(home_folder(given.home), given.host, given.port, given.index), settings)
    except TidewheelError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
