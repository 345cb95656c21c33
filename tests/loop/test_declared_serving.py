"""How an endpoint is served, declared with its loop: what the file says, what hands set besides, and who wins."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from tests.loop.town import Town

import tidewheel as tw
from tidewheel.base.errors import InvalidInput
from tidewheel.serving import EndpointOptions
from tidewheel.storage.journal import read_entries


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.platform.close()


def declare(town: Town, serving: str) -> EndpointOptions:
    """Declare the loop in a controller that has just started; the options of its endpoint then."""
    town.write(serving=serving)
    town.reopen()
    town.platform.loop.declare(town.project)
    return town.platform.serving.endpoint("surge").options


def test_what_a_loop_declares_its_endpoint_has(town: Town) -> None:
    serving = 'tw.Serving(timeout_ms=50, isolated=True, log_share=0.1, redact=("x",))'
    assert declare(town, serving) == EndpointOptions(timeout_ms=50, isolated=True, log_share=0.1, redact=("x",))


def test_a_declaration_that_has_not_changed_leaves_what_hands_have_set_since(town: Town) -> None:
    declare(town, "tw.Serving(timeout_ms=50)")
    town.platform.serving.configure_endpoint("surge", timeout_ms=80, max_queue=9)
    with town.platform.metadata.read() as connection:
        before = read_entries(connection)
    assert declare(town, "tw.Serving(timeout_ms=50)") == EndpointOptions(timeout_ms=80, max_queue=9)
    with town.platform.metadata.read() as connection:
        assert read_entries(connection) == before


def test_a_changed_declaration_wins_where_it_says_something(town: Town) -> None:
    declare(town, "tw.Serving(timeout_ms=50)")
    town.platform.serving.configure_endpoint("surge", timeout_ms=80, redact=["x"])
    assert declare(town, "tw.Serving(timeout_ms=60)") == EndpointOptions(timeout_ms=60, redact=("x",))


def test_what_is_no_longer_declared_has_its_default_again(town: Town) -> None:
    declare(town, 'tw.Serving(timeout_ms=50, max_queue=9, redact=["x"])')
    assert declare(town, "tw.Serving(timeout_ms=50)") == EndpointOptions(timeout_ms=50)
    town.platform.serving.configure_endpoint("surge", log_share=0.5)
    assert declare(town, "None") == EndpointOptions(log_share=0.5)


def test_an_option_that_no_worker_can_obey_is_refused_with_its_project(town: Town) -> None:
    for serving, said in (
        ("log_share=2", "log_share must be"),
        ('timeout_ms="50"', "timeout_ms"),
        ("retries=1", "retries"),
    ):
        with pytest.raises(InvalidInput, match=said):
            declare(town, f"tw.Serving({serving})")


def test_every_option_of_an_endpoint_can_be_declared_and_no_other() -> None:
    assert [each.name for each in fields(tw.Serving)] == [each.name for each in fields(EndpointOptions)]
    assert tw.Serving(redact=("a",)).given() == {"redact": ["a"]}
