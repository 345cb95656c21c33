"""Parts that are made late: not before they are asked for, once, and found by their class."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tidewheel.base.late import late


class Engine:
    pass


class Ship:
    """Its engine takes as long as the test wants."""

    def __init__(self, build: Callable[[], None]) -> None:
        self.build = build
        self.built = 0

    @late
    def engine(self) -> "Engine":
        """What drives it."""
        self.build()
        self.built += 1
        return Engine()


def test_a_part_is_made_when_it_is_first_asked_for_and_then_is_an_attribute() -> None:
    ship = Ship(lambda: None)
    assert ship.built == 0
    assert "engine" not in vars(ship)
    assert ship.engine is ship.engine is vars(ship)["engine"]
    assert ship.built == 1


def test_threads_that_ask_at_once_get_the_same_part() -> None:
    together, building = threading.Barrier(4, timeout=10), threading.Barrier(2)

    def build() -> None:
        with suppress(threading.BrokenBarrierError):  # nobody else comes, unless two build at once
            building.wait(0.2)

    ship = Ship(build)

    def ask() -> Engine:
        together.wait()
        return ship.engine

    with ThreadPoolExecutor(4) as threads:
        engines = [asked.result() for asked in [threads.submit(ask) for _ in range(4)]]
    assert len(set(engines)) == ship.built == 1


def test_a_part_that_could_not_be_made_is_tried_again() -> None:
    failures = iter([OSError("no steel")])
    ship = Ship(lambda: _raise_next(failures))
    with pytest.raises(OSError, match="no steel"):
        _ = ship.engine
    assert isinstance(ship.engine, Engine)


def test_a_part_is_known_by_its_class_before_it_is_made() -> None:
    assert Ship.engine.makes(Engine)
    assert not Ship.engine.makes(Ship)
    assert not Ship.engine.makes(type("Engine", (), {"__module__": "elsewhere.engines"}))
    assert Ship.engine.__doc__ == "What drives it."


def _raise_next(failures: object) -> None:
    failure = next(failures, None)  # type: ignore[call-overload]
    if failure is not None:
        raise failure
