"""A small git repository with a training script, run as a person would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TRAIN = """
import random, sys, time
import tidewheel as tw

tw.seed(7)
with tw.start_run("surge", "first", capture="bare" not in sys.argv):
    tw.log_param("depth", 6)
    tw.log_metric("auc", random.random() if "steady" in sys.argv else time.time())
    print("RUN", tw.active_run().id)
"""


@dataclass(frozen=True)
class Repository:
    """A clone, and the install that its runs are written to."""

    folder: Path
    home: Path

    @classmethod
    def make(cls, folder: Path, message: str = "first") -> Repository:
        """With one commit; of the same second and message it is the same one in each."""
        made = cls(folder / "code", folder / "home")
        made.folder.mkdir()
        (made.folder / "train.py").write_text(TRAIN)
        made.git("init", "-q", "-b", "main")
        made.git("remote", "add", "origin", "https://me:secret@example.org/surge.git")
        made.commit(message)
        return made

    def git(self, *arguments: str) -> str:
        """Ask git."""
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit all; which commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def environment(self, **more: str) -> dict[str, str]:
        """The variables by which a script finds the install."""
        return {**os.environ, "TIDEWHEEL_HOME": str(self.home), "TIDEWHEEL_URL": "", **more}

    def train(self, *arguments: str, **more: str) -> str:
        """Run the script; the id of its run."""
        command = [sys.executable, "train.py", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(**more), check=True, capture_output=True, text=True
        )
        return done.stdout.split("RUN ")[1].strip()
