"""A candidate that fails, or would end the controller by its code or its file, is refused and the loop goes on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loop.town import Town
from tests.registry.damaged import crashing_booster

from tidewheel.loop import TurnState
from tidewheel.registry import ModelVersion
from tidewheel.registry.formats import open_format


class Leaving:
    def predict(self, rows):
        os._exit(9)


class Failing:
    def predict(self, rows):
        raise KeyError("this model cannot answer")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


def leaving(folder: Path) -> str:
    folder.mkdir()
    open_format("python").save(Leaving(), folder)
    return "python"


def failing(folder: Path) -> str:
    folder.mkdir()
    open_format("python").save(Failing(), folder)
    return "python"


def crashing(folder: Path) -> str:
    crashing_booster(folder, features=1)
    return "lightgbm"


def register_like(town: Town, champion: ModelVersion, format_name: str, folder: Path) -> ModelVersion:
    return town.platform.registry.register(
        "m",
        format=format_name,
        folder=folder,
        signature=champion.signature,
        feature_set=(champion.feature_set_name, champion.feature_set_hash),
        trust=format_name == "python",
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [(leaving, "with code 9"), (crashing, "with SIG"), (failing, "KeyError: 'this model cannot answer'")],
)
def test_a_candidate_that_cannot_answer_is_refused_and_the_loop_goes_on(make, said, town: Town) -> None:
    champion = town.open_for_business()
    folder = town.folder / "crafted"
    bad = register_like(town, champion, make(folder), folder)
    town.begin(bad.id)
    town.tick()
    assert town.turn.state is TurnState.REJECTED
    assert "could not be asked" in town.turn.outcome
    assert said in town.turn.outcome
    assert town.platform.serving.champion("surge") == champion.id
    town.begin(town.version(2.0).id)
    town.tick()
    assert town.turn.state is TurnState.ROLLING_OUT
