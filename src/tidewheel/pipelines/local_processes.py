"""Steps in processes of this machine, forked by a runner; implements `executor.Executor`.

`LocalProcesses.launch` starts a runner of its own; a driver that a runner forked already has a channel to it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tidewheel.pipelines.channel import Channel
from tidewheel.pipelines.executor import ExecutorLost, Exit


class LocalProcesses:
    """A conversation with a runner."""

    def __init__(self, channel: Channel, process: subprocess.Popen[bytes] | None = None) -> None:
        self._channel = channel
        self._process = process

    @classmethod
    def launch(cls, home: Path, opener: str, project: Path, environment: Mapping[str, str]) -> LocalProcesses:
        """Start a runner for a project. It imports while we go on; what is asked of it meanwhile waits."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tidewheel.pipelines.runner", "--home", str(home), "--opener", opener]
        command += ["--project", str(project), "--channel", str(theirs.fileno())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env={**os.environ, **environment}
        )
        theirs.close()
        return cls(Channel(ours), process)

    def drive(self, run_id: str) -> None:
        """Begin a driver of a pipeline run."""
        self._channel.send(do="run", id=run_id)

    def start(self, step_run_id: str) -> None:
        self._channel.send(do="step", id=step_run_id)

    def stop(self, step_run_id: str) -> None:
        self._channel.send(do="stop", id=step_run_id)

    def exits(self, timeout_s: float) -> list[Exit]:
        messages = self._channel.receive(timeout_s)
        if messages is None:
            raise ExecutorLost("The pipelines' runner process is gone.", fix="Drive the run again.")
        return [Exit(m["exit"], m["code"], m["cpu_s"], m["wall_s"]) for m in messages]

    def close(self) -> None:
        self._channel.close()  # the runner ends what it runs, and then itself
        if self._process is not None:
            self._process.wait()
