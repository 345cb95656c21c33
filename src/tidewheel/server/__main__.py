"""`python -m tidewheel.server --home H --host 127.0.0.1 --port 7600`: the control plane as a process.

Started by the supervisor of `tidewheel up` and by `tidewheel server`. SIGTERM drains open requests and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from collections.abc import Callable
from pathlib import Path

from tidewheel.base.errors import TidewheelError
from tidewheel.base.parent import exit_with_parent

_DRAIN_S = 5
_KEEP_ALIVE_S = 75  # longer than clients pause between two epochs' metrics


def serve(
    home: str | None, host: str | None, port: int | None, ready: Callable[[str, Path], None] = lambda url, home: None
) -> None:
    """Run the control plane until a signal ends it; `ready` is told its address and home once it answers.

    Raises:
        Conflict: if its port is taken.
        InvalidInput: if it would answer beyond this machine and there is no token yet.
    """
    gc.disable()  # what a start makes stays; looking through it again and again takes a tenth of the start
    import uvicorn

    from tidewheel.app import open_platform
    from tidewheel.base.settings import Settings
    from tidewheel.server.announced import AnnouncedServer, address, bind
    from tidewheel.server.app import build
    from tidewheel.server.guard import refuse_open_bind
    from tidewheel.server.http_protocol import BoundedProtocol

    settings = Settings()
    host = host or settings.get("server.host", str)
    port = settings.get("server.port", int) if port is None else port
    with contextlib.closing(bind(host, port)) as bound, open_platform(home, settings) as platform:
        refuse_open_bind(platform, host)
        app = build(platform, host=host)
        gc.freeze()  # nor is it looked through while calls are answered
        gc.enable()
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            timeout_keep_alive=_KEEP_ALIVE_S,
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        url = address(host, bound)
        with contextlib.suppress(KeyboardInterrupt):
            AnnouncedServer(config, lambda: ready(url, platform.home)).run([bound])


def main() -> int:
    """Parse the arguments and serve; an error is said in two lines, never as a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tidewheel.server", description="The Tidewheel control plane.")
    parser.add_argument("--home", help="folder that holds all state (default: $TIDEWHEEL_HOME or ./.tidewheel)")
    parser.add_argument("--host", help="address to bind (default: the setting server.host)")
    parser.add_argument("--port", type=int, help="port to bind (default: the setting server.port)")
    given = parser.parse_args()
    exit_with_parent()
    try:
        serve(given.home, given.host, given.port)
    except TidewheelError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
