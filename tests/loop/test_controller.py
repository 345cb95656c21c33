"""The controller: one of several leads, and a project that is broken at its start stops none of its other work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loop.town import Town

from tidewheel import controller as controller_module
from tidewheel.controller import Chore, Controller


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The chores done, in place of a platform's."""
    done: list[str] = []
    monkeypatch.setattr(
        controller_module, "chores", lambda *_: [Chore(name, lambda name=name: done.append(name)) for name in "abc"]
    )
    return done


def test_a_project_that_is_broken_is_declared_once_it_is_mended_and_meanwhile_the_rest_is_done(
    town: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    written = town.project.read_text()
    town.project.write_text("raise ValueError('half a sentence')")
    chores = controller_module.chores(town.platform, town.project)
    for chore in chores:
        chore.run()
    assert "half a sentence" in capfd.readouterr().err
    assert [chore.name for chore in chores if chore.failures] == ["loop.declare"]
    town.project.write_text(written)
    chores[0].due = 0.0  # its pause is over
    chores[0].run()
    assert [status.name for status in town.platform.loop.ls()] == ["surge"]
    town.project.unlink()
    chores[0].run()
    assert not chores[0].failures


def test_a_second_controller_waits_until_the_first_is_gone(town: Town, done: list[str]) -> None:
    first, second = Controller(town.platform), Controller(town.platform)
    first.round()
    second.round()
    assert done == [*"abc"]
    first.stop()
    first.run()  # steps down
    second.round()
    assert done == [*"abcabc"]


def test_a_controller_that_has_lost_its_lease_leaves_the_rest_of_its_round(
    town: Town, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Controller(town.platform)
    late.round()
    late._renew_at = 0.0
    monkeypatch.setattr(town.platform.leases, "renew", lambda lease, length_s: False)
    late.round()
    assert done == [*"abc"]


def test_a_database_that_is_gone_for_a_moment_does_not_end_the_controller(
    town: Town, done: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def gone(name: str, length_s: float) -> None:
        raise OSError("no route to the database")

    with monkeypatch.context() as patched:
        patched.setattr(town.platform.leases, "acquire", gone)
        Controller(town.platform).round()
    assert "no route to the database" in capfd.readouterr().err
    assert done == []
