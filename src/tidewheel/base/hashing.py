"""Content hashes: of bytes, of files, of JSON values and of Python code. All are BLAKE3, in hex.

The code hash decides whether a step may be taken from cache and whether a feature is still the same feature, so it
must change when behaviour can change and stay when only layout or comments do.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

_CHUNK_BYTES = 1 << 20
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def hash_bytes(data: bytes | memoryview) -> str:
    """BLAKE3 of bytes, 64 hex digits."""
    return blake3(data).hexdigest()


def hash_file(path: Path) -> str:
    """BLAKE3 of a file, read in 1 MiB pieces."""
    hasher = blake3()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return _CANONICAL.encode(value)


def hash_json(value: Any) -> str:
    """BLAKE3 of a value's canonical JSON."""
    return hash_bytes(canonical_json(value).encode())


def code_hash(function: Callable[..., Any]) -> str:
    """A hash of what a function does: its parsed code, its defaults and closure, and the same of the project's own
    functions and classes that it names. Comments, docstrings' neighbours and layout do not count; library code counts
    by name only (the environment is pinned elsewhere).
    """
    return hash_json(_code_facts(function, set()))


def _code_facts(function: Callable[..., Any], seen: set[int]) -> list[Any]:
    function = inspect.unwrap(function)
    if isinstance(function, functools.partial):
        return [
            "partial",
            _code_facts(function.func, seen),
            repr(function.args),
            repr(sorted(function.keywords.items())),
        ]
    if id(function) in seen or not isinstance(function, types.FunctionType):
        return [getattr(function, "__module__", ""), getattr(function, "__qualname__", repr(type(function)))]
    seen.add(id(function))
    closure = inspect.getclosurevars(function)
    named = {**closure.globals, **closure.nonlocals}
    return [
        _code_text(function),
        repr(function.__defaults__),
        repr(function.__kwdefaults__),
        [[name, _named_facts(function, value, seen)] for name, value in sorted(named.items())],
    ]


def _named_facts(owner: types.FunctionType, value: Any, seen: set[int]) -> Any:
    fingerprint = getattr(value, "fingerprint", None)
    if isinstance(fingerprint, str):
        return fingerprint
    if isinstance(value, types.FunctionType) and value.__module__ == owner.__module__:
        return _code_facts(value, seen)
    if isinstance(value, type) and value.__module__ == owner.__module__:
        return _class_text(value)
    if isinstance(value, str | int | float | bool | bytes | tuple | set | frozenset | type(None)):
        return _constant(value)
    if isinstance(value, list | dict):
        return canonical_json(value)
    return [getattr(value, "__module__", ""), getattr(value, "__qualname__", type(value).__qualname__)]


def _code_text(function: types.FunctionType) -> str:
    """The parsed source where it can be had and holds exactly one match, else the bytecode."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return _bytecode(function.__code__)
    if function.__name__ == "<lambda>":
        return _bytecode(function.__code__)
    definition = tree.body[0]
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        definition.decorator_list = []
        if ast.get_docstring(definition) is not None:
            definition.body = definition.body[1:] or [ast.Pass()]
    return ast.dump(definition)


def _class_text(cls: type) -> str:
    try:
        return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(cls))))
    except (OSError, TypeError, SyntaxError):
        return cls.__qualname__


def _bytecode(code: types.CodeType) -> str:
    constants = [_bytecode(c) if isinstance(c, types.CodeType) else _constant(c) for c in code.co_consts]
    return f"{code.co_code.hex()}|{code.co_names}|{code.co_varnames}|{constants}"


def _constant(value: object) -> str:
    """The value's text, the same in every process: a set's own order differs from one to the next."""
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(map(_constant, value))) + "}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(_constant, value)) + ")"
    return repr(value)
