"""A misspelt setting is named when the program starts, with the one that was likely meant."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies
from tests.cli.runner import tidewheel

import tidewheel as tw
from tidewheel.base.settings import SETTINGS
from tidewheel.base.unknown_settings import OTHER_VARIABLES, unknown_variables

SOURCE = Path(tw.__file__).parent


def test_the_program_warns_of_it_and_goes_on():
    done = tidewheel("version", "--json", env={"TIDEWHEEL_SERVING_WORKER": "3", "TIDEWHEEL_SERVING_WORKERS": "3"})
    assert (done.exit_code, sorted(json.loads(done.out))) == (0, ["version"])
    assert done.err.count("\n") == 1
    assert "TIDEWHEEL_SERVING_WORKER is no setting" in done.err
    assert "Is TIDEWHEEL_SERVING_WORKERS meant?" in done.err


def test_what_is_like_no_setting_is_named_without_a_guess():
    assert unknown_variables(["TIDEWHEEL_ZZZ", "PATH", "tidewheel_home"]) == [("TIDEWHEEL_ZZZ", "")]


def test_what_kubernetes_tells_of_a_service_of_our_name_is_no_mistake():
    links = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_7600_TCP", "PORT_7600_TCP_ADDR"]
    assert unknown_variables([f"TIDEWHEEL_{link}" for link in links]) == []


@pytest.mark.parametrize("variable", sorted(OTHER_VARIABLES))
def test_a_variable_that_is_no_setting_is_read_somewhere(variable):
    read = [
        path for path in SOURCE.rglob("*.py") if path.name != "unknown_settings.py" and variable in path.read_text()
    ]
    assert read


def test_every_variable_that_the_source_names_is_known():
    named = {
        name for path in SOURCE.rglob("*.py") for name in re.findall(r"\bTIDEWHEEL_[A-Z_]*[A-Z]\b", path.read_text())
    }
    assert unknown_variables(named) == []


@given(strategies.sampled_from(SETTINGS), strategies.integers(0, 200))
def test_a_setting_with_one_letter_left_out_is_found_again(setting, place):
    name = setting.variable
    cut = len("TIDEWHEEL_") + place % (len(name) - len("TIDEWHEEL_"))
    misspelt = name[:cut] + name[cut + 1 :]
    found = dict(unknown_variables([misspelt]))
    assert not found or found[misspelt]
