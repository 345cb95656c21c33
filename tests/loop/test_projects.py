"""Projects change, break and go away while an install runs; several loops share it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.loop.town import Town

from tidewheel.base.errors import InvalidInput
from tidewheel.data.commits import CommitRecorder
from tidewheel.storage.journal import entries


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


def journal(town: Town) -> list[str]:
    with town.platform.metadata.read() as connection:
        return list(connection.scalars(select(entries.c.kind).order_by(entries.c.seq)))


def turns(town: Town, loop: str) -> int:
    return town.platform.loop.show(loop).turns


def test_a_loop_whose_project_is_broken_keeps_no_other_from_going(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    town.platform.loop.declare(town.write("other.py", name="tide"))
    town.platform.loop.declare(town.project)
    town.reopen()
    town.project.write_text("raise ValueError('half a sentence')")
    town.tick(3)
    assert (turns(town, "surge"), turns(town, "tide")) == (0, 1)
    assert [record.message for record in caplog.records if "half a sentence" in record.message]


def test_changed_monitors_are_taken_up_and_unchanged_ones_go_on(town: Town) -> None:
    town.open_for_business()
    watched = town.platform.monitoring.report("surge")
    town.reopen()
    town.platform.loop.declare(town.project)
    assert town.platform.monitoring.report("surge") == watched
    town.write(monitors='tw.ConceptDrift("brier")')
    town.reopen()
    town.platform.loop.declare(town.project)
    assert [reading.monitor for reading in town.platform.monitoring.report("surge")] == ["concept_drift(brier)"]


def test_a_declaration_that_has_not_changed_is_not_journaled_again(town: Town) -> None:
    town.write(monitors='tw.DataDrift(ignore=["x"]), tw.Bias()')
    town.platform.loop.declare(town.project)
    before = journal(town)
    town.reopen()
    town.platform.loop.declare(town.project)
    assert journal(town) == before


def test_a_loop_that_its_project_no_longer_declares_is_paused_and_can_be_replaced_on_its_endpoint(town: Town) -> None:
    town.platform.loop.declare(town.project)
    town.write(name="tide", endpoint="surge")
    town.reopen()
    town.platform.loop.declare(town.project)
    town.tick(2)
    states = {status.name: status.state for status in town.platform.loop.ls()}
    assert states == {"surge": "paused", "tide": "gathering"}


def test_a_paused_loop_whose_endpoint_was_deleted_is_in_no_trouble_and_has_it_again_when_resumed(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    town.platform.loop.declare(town.project)
    town.platform.loop.pause("surge")
    town.platform.serving.delete_endpoint("surge")
    town.tick()
    assert "could not go on" not in caplog.text
    town.platform.loop.resume("surge")
    assert [each.name for each in town.platform.serving.endpoints()] == ["surge"]


def test_the_rows_that_a_dataset_begins_with_are_read_once_though_the_first_reader_was_killed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = town.project.read_text()
    town.project.write_text(text.replace('tw.dataset("rides")', 'tw.dataset("rides", initial="rides.csv")'))
    (town.folder / "rides.csv").write_text("at,x,y\n2026-03-01T00:00:00Z,0.5,1\n2026-03-01T00:01:00Z,0.1,0\n")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(CommitRecorder, "catch_up", killed)  # the rows are written, the commit's row is not
        town.platform.loop.declare(town.project)
    town.reopen()
    town.platform.loop.declare(town.project)
    assert town.platform.data.read("rides").num_rows == 2


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_loops_cannot_keep_one_endpoint(town: Town) -> None:
    town.platform.loop.declare(town.project)
    with pytest.raises(InvalidInput, match="kept by the loop 'surge'"):
        town.platform.loop.declare(town.write("other.py", name="tide", endpoint="surge"))


def test_two_loops_of_one_name_are_refused(town: Town) -> None:
    text = town.project.read_text()
    town.project.write_text(text + text[text.index("tw.Loop(") :])
    with pytest.raises(InvalidInput, match="two loops of one name"):
        town.platform.loop.declare(town.project)
