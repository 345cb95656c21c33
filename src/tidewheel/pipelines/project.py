"""Imports a project file as a module, and finds the pipeline that `path/project.py:fit_surge` names.

The module's name is made from the file's path, so it is the same in every process (values pickled in one are read in
another) and two projects never meet. The file's folder is put on `sys.path`, so a project may have modules beside it.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from tidewheel.base.errors import InvalidInput, NotFound, TidewheelError
from tidewheel.base.hashing import hash_bytes
from tidewheel.pipelines.steps import Pipeline

_loaded_files: dict[Path, dict[Path, int]] = {}


def load_project(path: str | Path) -> ModuleType:
    """Execute a project file, also if it was loaded before, and return its module.

    Raises:
        NotFound: if there is no such file.
        InvalidInput: if it fails; the message says with what and at which of the project's lines.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise NotFound(f"There is no project file {path}.", where=str(file), fix="`tidewheel init DIR` writes one.")
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    _forget_modules(file)
    name = module_name(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InvalidInput("A project must be a Python file.", where=str(file), fix="Give it a name ending in .py.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except TidewheelError:
        raise
    except (Exception, SystemExit) as error:  # a project may raise anything, and sys.exit() must not end its reader
        del sys.modules[name]
        raise InvalidInput(
            f"The project failed while it was imported: {describe_error(error, file.parent)}",
            where=str(file),
            fix=_remedy(error),
        ) from error
    _loaded_files[file] = {one: one.stat().st_mtime_ns for one in project_files(file)}
    return module


def project_module(path: str | Path) -> ModuleType:
    """A project's module as it is loaded; loaded now if it is not yet, or if any of its files has changed since."""
    file = Path(path).resolve()
    module = sys.modules.get(module_name(file))
    if module is not None and _is_current(file):
        return module
    return load_project(file)


def split_target(target: str) -> tuple[Path, str]:
    """The file and the name in ``path/project.py:fit_surge``.

    Raises:
        InvalidInput: if it is not of that form.
    """
    path, colon, name = target.rpartition(":")
    if not colon or not path or not name.isidentifier():
        raise InvalidInput(f"{target!r} names no pipeline.", fix="Write path/project.py:NAME.")
    return Path(path).resolve(), name


def find_pipeline(target: str) -> Pipeline:
    """The pipeline that a target names.

    Raises:
        NotFound: if the file or the name is not there; the message lists the pipelines that are.
        InvalidInput: if the name is something else.
    """
    path, name = split_target(target)
    module = project_module(path)
    found = getattr(module, name, None)
    if isinstance(found, Pipeline):
        return found
    known = ", ".join(sorted(key for key, value in vars(module).items() if isinstance(value, Pipeline))) or "none"
    if found is None:
        raise NotFound(f"{path.name} has no pipeline {name!r}.", where=str(path), fix=f"It has: {known}.")
    raise InvalidInput(
        f"{name!r} in {path.name} is a {type(found).__name__} and not a pipeline.",
        where=str(path),
        fix=f"Put @tw.pipeline on it. Its pipelines: {known}.",
    )


def module_name(file: Path) -> str:
    """The name under which a project file is a module."""
    return f"tidewheel_project_{hash_bytes(str(file).encode())[:10]}"


def describe_error(error: BaseException, folder: Path) -> str:
    """One line: the error, and the project's own line that it came through last."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} [{Path(error.filename).name}:{error.lineno}]"
    place = _last_place(error.__traceback__, folder)
    return f"{text} [{place}]" if place else text


def _remedy(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        from tidewheel.base.extras import how_to_install  # here: it reads the metadata of what is installed

        return how_to_install(error.name)
    return "Mend the line and try again."


def imported_names(path: Path) -> set[str]:
    """The modules that a project's files import anywhere, also within functions; for importing them ahead of time."""
    names: set[str] = set()
    for file in project_files(path):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return names


def project_files(path: Path) -> list[Path]:
    """The project file and those loaded modules that lie in its folder."""
    return [path, *(Path(str(module.__file__)) for module in _modules_beside(path))]


def _modules_beside(file: Path) -> list[ModuleType]:
    """Loaded modules below the project's folder, except Tidewheel's own and what a virtual environment there holds."""
    inside = f"{file.parent}/"
    return [
        module
        for name, module in list(sys.modules.items())
        if isinstance(origin := getattr(module, "__file__", None), str)
        and origin.startswith(inside)
        and origin != str(file)
        and "site-packages" not in origin
        and not name.startswith("tidewheel.")
        and name != "__main__"
    ]


def _forget_modules(file: Path) -> None:
    if file in _loaded_files:
        for module in _modules_beside(file):
            sys.modules.pop(module.__name__, None)


def _is_current(file: Path) -> bool:
    loaded = _loaded_files.get(file)
    return loaded is not None and all(one.exists() and one.stat().st_mtime_ns == at for one, at in loaded.items())


def _last_place(trace: TracebackType | None, folder: Path) -> str:
    place, frame = "", trace
    while frame is not None:
        code: Any = frame.tb_frame.f_code
        if Path(code.co_filename).is_relative_to(folder) and "site-packages" not in code.co_filename:
            place = f"{Path(code.co_filename).name}:{frame.tb_lineno}, in {code.co_name}"
        frame = frame.tb_next
    return place
