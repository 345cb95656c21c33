"""Makes a command of a function: opens the platform, calls it, prints what it returns, maps errors to exit codes.

    @command(app, "ls", show=table("name", "rows"))
    def ls(opened: Opened) -> object:
        \"\"\"Every dataset.\"\"\"
        return opened.data.ls()

Every command gets `--json`, and `--home` or `--url` (with `--token`) to say which install it is about.
"""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError, Unavailable
from tidewheel.base.settings import Settings, home_folder
from tidewheel.cli.output import card, print_error, print_json

if TYPE_CHECKING:
    from tidewheel.app import Platform
    from tidewheel.client import RemotePlatform

    Opened = Platform | RemotePlatform
else:
    Opened = object

Show = Callable[[Any], None]

_HOME = typer.Option("--home", envvar="TIDEWHEEL_HOME", help="Folder of the install. Default: ./.tidewheel")
_URL = typer.Option("--url", envvar="TIDEWHEEL_URL", help="Address of a control plane, instead of a folder.")
_TOKEN = typer.Option("--token", envvar="TIDEWHEEL_TOKEN", help="Token for --url.")
_JSON = typer.Option("--json", help="Print JSON.")
_COMMON: dict[str, tuple[Any, Any]] = {
    "home": (Annotated[Path | None, _HOME], None),
    "url": (Annotated[str | None, _URL], None),
    "token": (Annotated[str | None, _TOKEN], None),
    "as_json": (Annotated[bool, _JSON], False),
}


class Refused(Exception):
    """A command's result that is printed as usual but ends with an exit code: 1 failed, 3 a gate said no."""

    def __init__(self, result: object, exit_code: int) -> None:
        super().__init__(exit_code)
        self.result = result
        self.exit_code = exit_code


def command(
    app: typer.Typer, name: str, *, show: Show = card, local_only: bool = False, creates: bool = False
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Register a function, whose first parameter is the opened platform, as a command.

    `show` prints its result for people; `local_only` commands need files of this machine and take no `--url`;
    `creates` commands may begin an install where there is none.
    """

    def register(function: Callable[..., object]) -> Callable[..., object]:
        given = {key: _COMMON[key] for key in _COMMON if not (local_only and key in {"url", "token"})}

        def run(**arguments: Any) -> None:
            common = {key: arguments.pop(key) for key in given}
            as_json = bool(common.pop("as_json"))
            with answering(as_json):
                try:
                    with opened(**common, creates=creates) as platform:
                        _print(function(platform, **arguments), show, as_json)
                except Refused as refused:
                    _print(refused.result, show, as_json)
                    raise typer.Exit(refused.exit_code) from None

        _describe(run, function, given)
        app.command(name)(run)
        return function

    return register


@contextmanager
def answering(as_json: bool = False) -> Iterator[None]:
    """Print an error as message and remedy, and end with its exit code; never show a traceback."""
    try:
        yield
    except TidewheelError as error:
        print_error(error, as_json)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit(130) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if os.environ.get("TIDEWHEEL_DEBUG"):
            raise
        print_error(_said(error), as_json)
        raise typer.Exit(1) from None


def _said(error: Exception) -> TidewheelError:
    """A folder that cannot be written is the reader's to mend; anything else is ours."""
    closed = isinstance(error, PermissionError | NotADirectoryError | FileExistsError | IsADirectoryError)
    if isinstance(error, OSError) and error.filename and (closed or error.errno == errno.EROFS):
        fix = "Name another folder, or give yourself the right to write there."
        return Unavailable(f"{error.strerror}.", where=str(error.filename), fix=fix)
    fix = "Set TIDEWHEEL_DEBUG=1 to see where, and report it."
    return TidewheelError(f"Tidewheel failed: {type(error).__name__}: {error}", fix=fix)


@contextmanager
def opened(
    home: Path | None = None, url: str | None = None, token: str | None = None, *, creates: bool = False
) -> Iterator[Opened]:
    """The install in a folder, or behind an address.

    Raises:
        NotFound: if the folder holds none and the command may not begin one (`creates`).
    """
    if url:
        from tidewheel.client import connect

        with connect(url, token) as remote:
            yield remote
        return
    if not creates:
        _refuse_nothing(home)
    from tidewheel.app import open_platform

    with open_platform(home) as platform:
        yield platform


def _refuse_nothing(home: Path | None) -> None:
    """Only a command that makes something may begin an install; any other would answer out of an empty one."""
    folder = home_folder(home)
    if (folder / "metadata.db").exists() or Settings().get("storage.metadata_url", str):
        return
    raise NotFound(
        f"There is no install at {home or os.environ.get('TIDEWHEEL_HOME') or './.tidewheel'}.",
        fix="Say where it is with --home, TIDEWHEEL_HOME or --url, or begin one: `tidewheel up`.",
    )


def assignments(pairs: list[str], *, raw: bool = False) -> dict[str, Any]:
    """``["a=1", "b=x"]`` as a dict; a value that is JSON is taken as such, unless it is wanted `raw`.

    Raises:
        InvalidInput: if one has no ``=``.
    """
    import msgspec

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{pair!r} gives no value.", fix="Write name=value.")
        if raw:
            found[key] = text
            continue
        try:
            found[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            found[key] = text
    return found


def _print(result: object, show: Show, as_json: bool) -> None:
    if as_json:
        print_json(result)
    elif result is not None:
        show(result)


def _describe(run: Callable[..., None], function: Callable[..., object], given: dict[str, tuple[Any, Any]]) -> None:
    """Give `run` the signature that Typer reads: the function's own parameters and the common ones."""
    hints = get_type_hints(function, include_extras=True, localns={"Opened": object, "Platform": object})
    own = list(inspect.signature(function).parameters.values())[1:]
    parameters = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own
    ]
    for key, (hint, default) in given.items():
        parameters.append(inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
