"""Imports Tidewheel's server once and forks one for each line of arguments that it reads; answers with its process id.

Started by `tidewheel_servers.Forks`. Its servers end when it ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import uvicorn  # noqa: F401

import tidewheel.app
import tidewheel.server.app  # noqa: F401
from tidewheel.server import (
    __main__ as server,
    http_protocol,  # noqa: F401
)


def main() -> None:
    """Fork until the reader goes away."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(2, 1)  # the answers' pipe is not the server's
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["tidewheel.server", *json.loads(line)]
            os._exit(server.main())
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


main()
