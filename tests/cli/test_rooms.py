"""Commands do what the verbs do, in a folder and over HTTP alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.runner import Outcome, tidewheel
from tests.server.install import declare_loop, register
from tests.server.listening import listening

from tidewheel.app import Platform, open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build


@pytest.fixture
def install(home: Path, tmp_path: Path) -> Iterator[Platform]:
    """An install with a dataset, two versions of a model, and a loop."""
    with open_platform(home, Settings(environ={})) as platform:
        platform.data.append("rides", {"zone": ["a", "b"], "wait_s": [30.0, 45.0]}, "two rides")
        first, _ = register(platform, tmp_path / "v1"), register(platform, tmp_path / "v2")
        declare_loop(platform, champion=first.id)
        platform.registry.promote(first.id)
        yield platform


def done(*arguments: object) -> Outcome:
    outcome = tidewheel(*arguments)
    assert outcome.exit_code == 0, outcome.err or outcome.out
    return outcome


def test_datasets_are_listed_logged_and_compared(where: list[str]) -> None:
    (listed,) = done("data", "ls", "--json", *where).json
    assert (listed["name"], listed["rows"]) == ("rides", 2)
    assert done("data", "log", "rides", "--json", *where).json[0]["message"] == "two rides"
    assert done("data", "diff", "rides", "0", "0", "--json", *where).json["rows_after"] == 2
    assert "rides" in done("data", "ls", *where).out


def test_a_loop_is_paused_and_resumed(where: list[str]) -> None:
    assert done("loop", "pause", "surge", *where).out.startswith("surge is paused")
    assert done("loop", "show", "surge", "--json", *where).json["state"] == "paused"
    assert done("loop", "resume", "surge", *where).out == "surge goes on: watching.\n"


def test_an_endpoint_is_configured_and_what_is_not_given_stays(where: list[str], install: Platform) -> None:
    install.serving.create_endpoint("surge")
    done("endpoints", "configure", "surge", "--max-batch-rows", "8", "--redact", "a", "--redact", "b", *where)
    changed = done("endpoints", "configure", "surge", "--isolated", "--log-share", "0.5", "--json", *where).json
    assert changed["options"]["redact"] == ["a", "b"]
    assert (changed["options"]["max_batch_rows"], changed["options"]["isolated"]) == (8, True)
    cleared = done("endpoints", "configure", "surge", "--redact-nothing", "--shared", "--json", *where).json["options"]
    assert (cleared["redact"], cleared["isolated"], cleared["log_share"]) == ([], False, 0.5)
    wrong = tidewheel("endpoints", "configure", "surge", "--log-share", "3", "--json", *where)
    assert (wrong.exit_code, wrong.json["error"]["code"]) == (2, "invalid_input")
    assert tidewheel("endpoints", "configure", "surge", "--redact", "a", "--redact-nothing", *where).exit_code == 2


def test_a_version_is_deployed_tried_and_rolled_back(where: list[str], install: Platform) -> None:
    first, second = (version.id for version in reversed(install.registry.versions("surge")))
    done("deploy", first, "--endpoint", "surge", *where)
    assert install.serving.route("surge").weights == {first: 100.0}
    begun = done("deploy", second, "--endpoint", "surge", "--canary", "--json", *where).json
    assert begun["state"] == "shadow"
    busy = tidewheel("deploy", second, "--endpoint", "surge", "--json", *where)
    assert (busy.exit_code, busy.json["error"]["code"]) == (1, "conflict")
    done("rollback", "surge", "--reason", "It smells.", *where)
    assert "It smells." in done("rollouts", "why", begun["id"], "--json", *where).out


def test_the_audit_verifies_and_lineage_and_causes_are_told(where: list[str], install: Platform) -> None:
    assert done("audit", "verify", "--json", *where).json["holds"] is True
    (newest,) = done("audit", "log", "--limit", "1", "--json", *where).json
    assert newest["kind"] == "registry.version.promoted"
    assert done("why", newest["id"], "--json", *where).json[0]["entry"]["id"] == newest["id"]
    version = newest["subject"].partition(":")[2]
    assert done("lineage", f"version:{version}", "--json", *where).json["root"] == f"version:{version}"


def test_a_refusal_is_told_the_same_in_a_folder_and_over_http(where: list[str]) -> None:
    outcome = tidewheel("loop", "show", "tides", *where)
    assert outcome.exit_code == 2
    assert "There is no loop 'tides'" in outcome.err
    assert "tidewheel loop ls" in outcome.err


LISTS = [
    "runs ls",
    "pipelines ls",
    "models ls",
    "models versions surge",
    "monitors ls",
    "alerts ls",
    "endpoints ls",
    "endpoints show surge",
    "rollouts ls",
    "features ls",
    "tokens ls",
    "costs",
    "delivery",
    "loop ls",
    "loop history surge",
]


def test_what_there_is_is_printed_for_people_and_as_json(install: Platform) -> None:
    with listening(build(install)) as url:
        for words in LISTS:
            assert done(*words.split(), "--url", url).out.strip(), words
            assert done(*words.split(), "--json", "--url", url).json is not None, words


def test_a_token_closes_the_door_to_those_without_one(install: Platform, home: Path) -> None:
    with listening(build(install)) as url:
        secret = done("tokens", "create", "vera", "--role", "viewer", "--home", home).out.strip()
        refused = tidewheel("data", "ls", "--url", url)
        assert (refused.exit_code, "token" in refused.err) == (2, True)
        assert done("data", "ls", "--url", url, "--token", secret).out
        beyond = tidewheel("loop", "pause", "surge", "--url", url, "--token", secret)
        assert (beyond.exit_code, "vera is a viewer" in beyond.err) == (2, True)


def test_files_are_imported_and_held_against_the_contract(install: Platform, home: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    pq.write_table(pa.table({"zone": ["a"], "wait_s": [31.0]}), good)
    pq.write_table(pa.table({"zone": ["a"], "wait_s": [-5000.0]}), bad)
    assert "1 row appended to rides, now version 1." in done("data", "import", "rides", good, "--home", home).out
    done("data", "contract", "rides", "--infer", "--enforce", "--home", home)
    assert done("data", "validate", "rides", "--json", "--home", home).json["passed"] is True
    refused = tidewheel("data", "import", "rides", bad, "--home", home)
    assert (refused.exit_code, "wait_s" in refused.err) == (2, True)


def test_a_damaged_model_fails_its_check_and_the_doctor_finds_it(install: Platform, home: Path) -> None:
    checks = {check["name"]: check["well"] for check in done("doctor", "--json", "--home", home).json}
    assert checks["champions"]
    assert not checks["inference"]  # none runs here, which an install can do without
    version = next(version for version in install.registry.versions("surge") if "champion" in version.aliases)
    digest = version.files["model.txt"]
    (home / "blobs" / digest[:2] / digest[2:]).write_bytes(b"something else")
    assert tidewheel("models", "verify", version.id, "--home", home).exit_code == 1
    ill = tidewheel("doctor", "--home", home)
    assert (ill.exit_code, "damaged files: surge/1" in ill.out) == (1, True)


def test_what_data_hold_is_neither_markup_nor_a_word_to_the_terminal(install: Platform, home: Path) -> None:
    install.tracking.start_run(name="[/b][red]x")
    assert "[/b][red]x" in done("runs", "ls", "--home", home).out
    install.data.append("rides", {"zone": ["a"], "wait_s": [1.0]}, "\x1b]0;title\x07")
    assert "\x1b]0" not in done("data", "log", "rides", "--home", home).out


def test_a_home_that_cannot_be_made_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = tidewheel("tokens", "create", "vera", "--home", tmp_path / "file" / "home")
    assert outcome.exit_code == 1
    assert "--home" in outcome.err
