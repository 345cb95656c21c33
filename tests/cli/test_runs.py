"""`tidewheel runs`: what the page of a run shows, the command shows too; a comparison needs two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.lab import MODEL, furnish
from tests.cli.runner import tidewheel
from tests.server.listening import listening

from tidewheel.app import open_platform
from tidewheel.base.settings import Settings
from tidewheel.server.app import build


@pytest.mark.parametrize("remote", [False, True], ids=["home", "url"])
def test_a_run_is_shown_with_its_datasets_and_the_models_that_came_of_it(tmp_path: Path, remote: bool) -> None:
    home = tmp_path / "home"
    with open_platform(home, Settings(environ={})) as platform, listening(build(platform)) as url:
        runs, _ = furnish(platform, tmp_path)
        where = ["--url", url] if remote else ["--home", home]
        shown = tidewheel("runs", "show", runs[0], *where)
        told = tidewheel("runs", "show", runs[0], *where, "--json").json
    assert shown.exit_code == 0, shown.err
    words = " ".join(shown.out.split())
    assert "rides training 9f31c2 http" in words
    assert f"acceptance {MODEL} READY" in words
    assert "registered as acceptance/1" in words
    assert told["registered"] == ["acceptance/1"]
    assert told["logged_models"][0]["id"] == MODEL
    assert told["run"]["datasets"][0]["name"] == "rides"


def test_one_run_alone_is_not_compared(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_platform(home, Settings(environ={})) as platform:
        run = platform.tracking.start_run("surge")
        other = platform.tracking.start_run("surge")
    for given in ([run.id], [run.id, run.id]):
        refused = tidewheel("runs", "compare", *given, "--home", home)
        assert refused.exit_code == 2
        assert "Name two or more" in refused.err
    assert tidewheel("runs", "compare", run.id, other.id, "--home", home).exit_code == 0
