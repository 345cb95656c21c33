"""The code hash changes when behaviour can change, and only then."""

import os
import subprocess
import sys
import textwrap

from tests.base import named_sets

from tidewheel.base.hashing import code_hash, hash_json


def load(source):
    """Compile a function from source that inspect can find."""
    import linecache

    name = f"<test {hash(source)}>"
    text = textwrap.dedent(source)
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope = {"__name__": "test_source"}
    exec(compile(text, name, "exec"), scope)
    return scope["f"]


def test_comments_docstrings_and_layout_do_not_count():
    plain = load("def f(x):\n    return x + 1\n")
    dressed = load('def f(x):\n    """Adds."""\n    # one more\n\n    return (x +\n            1)\n')
    assert code_hash(plain) == code_hash(dressed)


def test_another_constant_counts():
    assert code_hash(load("def f(x):\n    return x + 1\n")) != code_hash(load("def f(x):\n    return x + 2\n"))


def test_a_function_that_is_called_counts():
    one = load("def g(x):\n    return x\n\ndef f(x):\n    return g(x)\n")
    two = load("def g(x):\n    return -x\n\ndef f(x):\n    return g(x)\n")
    assert code_hash(one) != code_hash(two)


def test_a_global_that_is_read_counts():
    assert code_hash(load("K = 1\n\ndef f(x):\n    return x + K\n")) != code_hash(
        load("K = 2\n\ndef f(x):\n    return x + K\n")
    )


def test_a_default_counts():
    assert code_hash(load("def f(x=1):\n    return x\n")) != code_hash(load("def f(x=2):\n    return x\n"))


def test_lambdas_differ_by_what_they_do():
    assert code_hash(lambda x: x + 1) != code_hash(lambda x: x + 2)
    assert code_hash(lambda x: x + 1) == code_hash(lambda x: x + 1)


def test_a_recursive_function_has_a_hash():
    assert code_hash(load("def f(x):\n    return f(x - 1) if x else 0\n"))


def test_equal_values_have_equal_hashes_whatever_their_order():
    assert hash_json({"a": 1, "b": [1, 2]}) == hash_json({"b": [1, 2], "a": 1})


def test_sets_hash_alike_in_every_process():
    script = (
        "from tidewheel.base.hashing import code_hash; from tests.base import named_sets;"
        "print(code_hash(named_sets.is_busy), code_hash(named_sets.LITERAL))"
    )
    found = set()
    for seed in ("1", "2", "3"):
        ran = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        found.add(ran.stdout)
    assert len(found) == 1
    assert found != {""}


def test_a_named_set_counts_by_its_content(monkeypatch):
    before = code_hash(named_sets.is_busy)
    monkeypatch.setattr(named_sets, "BUSY", {"harbour"})
    assert code_hash(named_sets.is_busy) != before
