"""Which code a run is of, as git tells it: the commit, and the difference between it and what really ran.

git is run as a reader: no lock is taken, no hook, no external diff and no pager of the repository's choosing. Without
git, or outside a repository, there is nothing to tell.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_DIFF_BYTES = 5 * 2**20  # a longer one is left out, and said so: part of a difference cannot be applied
MAX_UNTRACKED = 200
_TIMEOUT_S = 10.0
_READ_ONLY = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat")
_CREDENTIALS = re.compile(r"^(\w[\w+.-]*://)[^/@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCode:
    """A repository as it was when a run began. `diff` is empty if nothing differs, or if it is too long to keep."""

    root: Path
    commit: str
    branch: str
    remote: str
    diff: bytes
    diff_bytes: int
    untracked: tuple[str, ...]
    untracked_count: int

    @property
    def dirty(self) -> bool:
        """Whether what ran is not just the commit."""
        return self.diff_bytes > 0

    def describe(self, diff_artifact: str | None) -> dict[str, Any]:
        """As JSON."""
        return {
            "root": str(self.root),
            "commit": self.commit,
            "branch": self.branch,
            "remote": self.remote,
            "dirty": self.dirty,
            "diff": diff_artifact,
            "diff_bytes": self.diff_bytes,
            "untracked": list(self.untracked),
            "untracked_count": self.untracked_count,
        }


def read_source(folder: Path) -> SourceCode | None:
    """The repository around a folder, or None."""
    root = git(folder, "rev-parse", "--show-toplevel")
    commit = git(folder, "rev-parse", "--verify", "HEAD")
    if not root or not commit:
        return None
    top = Path(root.decode().strip())
    diff = git(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color") or b""
    untracked = (git(top, "ls-files", "--others", "--exclude-standard", "-z") or b"").decode(errors="replace")
    names = [name for name in untracked.split("\0") if name]
    branch = (git(top, "symbolic-ref", "--short", "-q", "HEAD") or b"").decode().strip()
    remote = (git(top, "config", "--get", "remote.origin.url") or b"").decode().strip()
    return SourceCode(
        root=top,
        commit=commit.decode().strip(),
        branch=branch,
        remote=without_credentials(remote),
        diff=diff if len(diff) <= MAX_DIFF_BYTES else b"",
        diff_bytes=len(diff),
        untracked=tuple(names[:MAX_UNTRACKED]),
        untracked_count=len(names),
    )


def without_credentials(url: str) -> str:
    """An address without the user and password in it."""
    return _CREDENTIALS.sub(r"\1", url)


def git(folder: Path, *arguments: str, timeout_s: float = _TIMEOUT_S) -> bytes | None:
    """What git answers when asked in a folder; None if it is not there, refuses or takes too long."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            ["git", *_READ_ONLY, *arguments], cwd=folder, env=environment, capture_output=True, timeout=timeout_s,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
