"""`python -m tests.serving.grpc_worker HOME`: a worker that answers gRPC too; HOME/grpc-port says where."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from tidewheel.base.parent import exit_with_parent
from tidewheel.base.settings import Settings
from tidewheel.serving.snapshot import ServingFolder
from tidewheel.serving.worker.grpc.server import open_grpc
from tidewheel.serving.worker.process import Place, Worker, holding_index


class GrpcWorker(Worker):
    """A worker with the second door open."""

    async def run(self, stop: asyncio.Event) -> None:
        home, host = self._place.home, self._place.host
        await self._watcher.look(asyncio.get_running_loop())
        server = await open_grpc(
            host, self._settings, self._inference, self._repository, lambda: self._information.ready
        )
        assert server is not None
        (home / "grpc-port.new").write_text(str(server.port))
        (home / "grpc-port.new").rename(home / "grpc-port")
        serving = asyncio.ensure_future(super().run(stop))
        await stop.wait()
        await server.drain(self._settings.get("serving.drain_timeout_s", float))
        await serving


async def main(home: Path) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await GrpcWorker(Place(home, "127.0.0.1", 0, 0), Settings(), loop).run(stop)


if __name__ == "__main__":
    exit_with_parent()
    given = Path(sys.argv[1])
    with holding_index(ServingFolder(given), 0):
        uvloop.run(main(given))
