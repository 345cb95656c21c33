"""Runs the real program in this process, as a person would type it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from tidewheel.cli.program import build_app


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit code and both streams."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tidewheel(*arguments: object, env: dict[str, str] | None = None) -> Outcome:
    """`tidewheel ARGUMENTS...`."""
    result = CliRunner().invoke(build_app(), [str(argument) for argument in arguments], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
