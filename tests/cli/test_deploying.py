"""An engineer on call deploys, changes their mind and goes back, in a folder and over HTTP alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.runner import Outcome, tidewheel
from tests.server.install import declare_loop, register
from tests.serving.house import Client, until

from tidewheel.app import Platform, open_platform
from tidewheel.base.errors import Conflict
from tidewheel.base.settings import Settings
from tidewheel.registry import ModelVersion, Signature
from tidewheel.rollout import Canary, Judgement, Move
from tidewheel.rollout.walk import make_move
from tidewheel.serving import WorkerGroup


@pytest.fixture
def install(home: Path) -> Iterator[Platform]:
    with open_platform(home, Settings(environ={})) as platform:
        yield platform


@pytest.fixture
def versions(install: Platform, tmp_path: Path) -> list[ModelVersion]:
    """Three versions of the model `surge`."""
    return [register(install, tmp_path / f"v{number}") for number in range(3)]


@pytest.fixture
def workers(install: Platform, home: Path) -> Iterator[WorkerGroup]:
    group = WorkerGroup(home, Settings(), port=0, workers=1)
    group.start()
    until(group.ready, look=group.look)
    yield group
    group.stop()


def done(*arguments: object) -> Outcome:
    outcome = tidewheel(*arguments)
    assert outcome.exit_code == 0, outcome.err or outcome.out
    return outcome


def weights(platform: Platform, endpoint: str = "surge") -> dict[str, float]:
    return platform.serving.route(endpoint).weights


def champion(platform: Platform) -> int:
    return platform.registry.find("models:/surge@champion").number


def test_what_is_deployed_now_wins_over_a_rollout_and_going_back_gives_what_was_before(
    where: list[str], install: Platform, versions: list[ModelVersion]
) -> None:
    first, _, third = versions
    done("deploy", "surge/1", "-e", "surge", *where)
    begun = done("deploy", "surge/2", "-e", "surge", "--json", *where).json
    deployed = done("deploy", "surge/3", "-e", "surge", "--now", "--json", *where).json
    assert (deployed["ended_rollout"], deployed["before_version"]) == (begun["id"], first.id)
    install.rollout.tick()
    assert weights(install) == {third.id: 100.0}
    assert "surge/3 was deployed at once" in done("rollouts", "why", begun["id"], *where).out
    assert champion(install) == 3
    assert done("rollback", "surge", *where).out == f"surge: {first.id} answers again, in place of {third.id}.\n"
    assert (weights(install), champion(install)) == ({first.id: 100.0}, 1)
    assert tidewheel("rollback", "surge", *where).exit_code == 1


def test_a_split_by_hand_ends_a_rollout_too(where: list[str], install: Platform, versions: list[ModelVersion]) -> None:
    first, _, third = (version.id for version in versions)
    done("deploy", "surge/1", "-e", "surge", *where)
    begun = done("deploy", "surge/2", "-e", "surge", "--json", *where).json
    done("endpoints", "route", "surge", "--to", "surge/1=50", "--to", "surge/3=50", *where)
    install.rollout.tick()
    assert weights(install) == {first: 50.0, third: 50.0}
    assert done("rollouts", "show", begun["id"], "--json", *where).json["rollout"]["state"] == "aborted"
    assert tidewheel("endpoints", "route", "sruge", "--to", "surge/1=100", *where).exit_code == 2
    assert [each.name for each in install.serving.endpoints()] == ["surge"]


def test_the_alias_follows_the_endpoint_that_it_stands_for_and_no_other(
    where: list[str], install: Platform, versions: list[ModelVersion]
) -> None:
    install.registry.promote(versions[1].id)
    done("deploy", "surge/1", "-e", "trial", "--now", *where)
    done("deploy", "surge/3", "-e", "trial", "--now", *where)
    assert champion(install) == 2
    done("deploy", "surge/2", "-e", "prices", *where)
    done("deploy", "surge/3", "-e", "prices", "--now", *where)
    assert champion(install) == 3
    done("rollback", "prices", *where)
    assert champion(install) == 2
    done("deploy", "surge/1", "-e", "surge", *where)
    assert champion(install) == 1


def test_a_version_that_cannot_be_served_leaves_nothing_behind(
    where: list[str], install: Platform, versions: list[ModelVersion], tmp_path: Path
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.txt").write_text("no booster")
    signature = Signature.of(["wait_1h"], ["p"])
    install.registry.register("bad", format="lightgbm", folder=tmp_path / "bad", signature=signature)
    refused = tidewheel("deploy", "bad/1", "-e", "typo", *where)
    assert (refused.exit_code, "cannot be served" in refused.err) == (1, True)
    assert tidewheel("deploy", "surge/1", "-e", "no/name", *where).exit_code == 2
    assert install.serving.endpoints() == []


def test_a_candidate_that_asks_for_what_nobody_gives_is_refused_with_its_names(
    where: list[str], install: Platform, versions: list[ModelVersion], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.txt").write_text((tmp_path / "v0" / "model.txt").read_text())
    signature = Signature.of(["wait_1h", "rain"], ["p"])
    install.registry.register("other", format="lightgbm", folder=tmp_path / "other", signature=signature)
    done("deploy", "surge/1", "-e", "surge", *where)
    refused = tidewheel("deploy", "other/1", "-e", "surge", *where)
    assert refused.exit_code == 2
    assert "does not take them: rain." in refused.err
    assert weights(install) == {versions[0].id: 100.0}
    done("deploy", "other/1", "-e", "surge", "--now", *where)


def test_an_endpoint_is_deleted_unless_it_is_needed(
    where: list[str], install: Platform, versions: list[ModelVersion]
) -> None:
    declare_loop(install, "tides")
    kept = tidewheel("endpoints", "delete", "tides", "--yes", *where)
    assert (kept.exit_code, "the loop 'tides'" in kept.err) == (1, True)
    done("deploy", "surge/1", "-e", "surge", *where)
    begun = done("deploy", "surge/2", "-e", "surge", "--json", *where).json
    assert begun["id"] in tidewheel("endpoints", "delete", "surge", *where).err
    done("rollouts", "abort", begun["id"], *where)
    done("endpoints", "delete", "surge", *where)
    assert [each.name for each in install.serving.endpoints()] == ["tides"]
    assert tidewheel("endpoints", "delete", "surge", *where).exit_code == 2
    done("loop", "pause", "tides", *where)
    done("endpoints", "delete", "tides", *where)


def test_an_endpoint_of_a_name_that_was_deleted_has_no_champion_of_before(
    install: Platform, versions: list[ModelVersion]
) -> None:
    first, second, _ = (version.id for version in versions)
    install.rollout.set_route("surge", {first: 100.0})
    rollout = install.rollout.start("surge", None, second, Canary(shadow=None))
    with install.metadata.change() as change:
        judgement = Judgement(Move.PROMOTE, "It is better.", {})
        make_move(change, install.serving, install.registry, rollout, judgement, install.clock)
    install.serving.delete_endpoint("surge")
    install.rollout.set_route("surge", {second: 100.0})
    with pytest.raises(Conflict, match="no other champion"):
        install.rollout.rollback("surge")
    assert weights(install) == {second: 100.0}


def test_it_is_said_when_no_worker_runs(where: list[str], versions: list[ModelVersion]) -> None:
    assert "No inference worker runs here" in done("deploy", "surge/1", "-e", "surge", *where).err
    assert done("deploy", "surge/2", "-e", "surge", "--now", "--no-wait", *where).err == ""


def test_a_deployment_that_is_done_answers(
    where: list[str], workers: WorkerGroup, versions: list[ModelVersion]
) -> None:
    client = Client(workers)
    for number in ("1", "2"):
        done("deploy", f"surge/{number}", "-e", "surge", "--now", *where)
        answer = client.infer([1.0, 2.0])
        assert (answer.status, answer.json["model_version"]) == (200, number)
    client.close()


def test_what_keeps_a_worker_from_answering_is_said(
    home: Path, install: Platform, workers: WorkerGroup, versions: list[ModelVersion]
) -> None:
    first, second, _ = versions
    done("deploy", "surge/1", "-e", "surge", "--home", home)
    install.serving.prepare([second.id])
    (home / "serving" / "models" / second.id / "files" / "model.txt").write_text("damaged since")
    failed = tidewheel("deploy", "surge/2", "-e", "surge", "--now", "--home", home)
    assert (failed.exit_code, f"cannot load {second.id}" in failed.err) == (1, True)
    assert "tidewheel rollback surge" in failed.err
    client = Client(workers)
    assert client.infer([1.0, 2.0]).json["model_version"] == "1"
    client.close()
    done("rollback", "surge", "--home", home)
    assert weights(install) == {first.id: 100.0}
