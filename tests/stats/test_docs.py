"""Every example in the room's docstrings runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import tidewheel.stats

MODULES = sorted(name for _, name, _ in pkgutil.iter_modules(tidewheel.stats.__path__, "tidewheel.stats."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_each_statistic_print_what_they_say(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    if not name.rpartition(".")[2].startswith("_"):
        assert result.attempted > 0, f"{name} shows no example"
