"""The program as a whole: fast help, one option grammar, errors for the reader, exit codes."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from tests.cli.runner import tidewheel
from typer.testing import CliRunner

from tidewheel.base.errors import Conflict, GateSaidNo, InvalidInput, NotFound, TidewheelError
from tidewheel.cli.command import answering
from tidewheel.cli.program import build

MAX_HELP_S = 0.25


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command below a group, with the words that lead to it."""
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(build()))


def test_help_is_there_at_once() -> None:
    """Processor time, so that a busy machine does not fail it."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "tidewheel.cli", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < MAX_HELP_S


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'duckdb', 'deltalake', 'lightgbm', 'pyarrow', 'fastapi', 'sqlalchemy', 'numpy', 'httpx', 'pydantic'}"
    code = f"import sys; import tidewheel.cli.program as p; p.build(); print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_says_what_it_does_and_takes_json(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert (command.help or "").strip().endswith((".", "`"))  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert "--json" in options


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (InvalidInput("x", fix="mend it", where="here"), 2),
        (NotFound("x"), 2),
        (Conflict("x"), 1),
        (GateSaidNo("x"), 3),
        (ZeroDivisionError("x"), 1),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_is_a_message_a_remedy_and_an_exit_code(error: Exception, exit_code: int, as_json: bool) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        with answering(as_json):
            raise error

    result = CliRunner().invoke(app, [])
    assert result.exit_code == exit_code
    assert "Traceback" not in result.output
    if isinstance(error, TidewheelError) and error.fix:
        assert error.fix in result.output
    assert ('"error"' in result.stdout) is as_json


@pytest.mark.parametrize("arguments", [["nonsense"], ["data", "ls", "--nonsense"], ["loop", "show"]])
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    assert tidewheel(*arguments).exit_code == 2


def test_a_server_that_is_away_is_said_so() -> None:
    outcome = tidewheel("loop", "ls", "--url", "http://127.0.0.1:9")
    assert outcome.exit_code == 1
    assert "tidewheel up" in outcome.err
