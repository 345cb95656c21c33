"""Pickles definitions so that they can be loaded where the project's files are not: in inference workers.

cloudpickle takes functions of importable modules by name only. A project's modules (any that are neither installed nor
part of Python or Tidewheel) are therefore taken by value, under whatever name they were imported.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

_INSTALLED = tuple(
    str(form)
    for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    for form in {Path(sysconfig.get_path(kind)), Path(sysconfig.get_path(kind)).resolve()}
)


def dump(definition: Any) -> bytes:
    """Bytes that `load` turns into the definition again, in any process that has Tidewheel installed."""
    with _projects_by_value():
        data: bytes = cloudpickle.dumps(definition)
        return data


def load(data: bytes) -> Any:
    """The definition in bytes that `dump` made. This runs the project's code: load only what the store vouches for."""
    return cloudpickle.loads(data)


@contextmanager
def _projects_by_value() -> Iterator[None]:
    known = cloudpickle.list_registry_pickle_by_value()
    # By name, since one module may stand in sys.modules under several (`__mp_main__` is `__main__`).
    added = {module.__name__: module for module in list(sys.modules.values()) if _is_of_a_project(module)}
    fresh = [module for name, module in added.items() if name not in known]
    for module in fresh:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in fresh:
            cloudpickle.unregister_pickle_by_value(module)


def _is_of_a_project(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(module, ModuleType) or not file or sys.modules.get(module.__name__) is not module:
        return False
    if module.__name__.partition(".")[0] == "tidewheel":
        return False
    return not file.startswith(_INSTALLED)
