"""The alias `champion` follows the endpoint that it stands for, and no other."""

import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.storage.journal import read_entries


@pytest.fixture
def follow(registry, metadata):
    """A version becomes champion of an endpoint in place of another, in a change of its own."""

    def follow(endpoint, version, before=None):
        with metadata.change() as change:
            change.emit("rollout.route.taken", f"endpoint:{endpoint}")
            registry.follow(change, endpoint, version.id, before.id if before else None)

    return follow


def test_the_first_version_that_answers_anywhere_takes_it(registry, register, follow, metadata):
    first = register()
    follow("trial", first)
    assert registry.holder("surge", "champion").id == first.id
    with metadata.read() as connection:
        entry = read_entries(connection, newest_first=True, limit=1)[0]
    assert (entry.kind, entry.subject, entry.data["endpoint"]) == ("registry.version.promoted", first.node, "trial")


def test_it_moves_on_from_a_holder_that_makes_room(registry, register, follow):
    first, second = register(), register()
    follow("prices", first)
    follow("prices", second, before=first)
    assert registry.holder("surge", "champion").id == second.id


def test_an_endpoint_where_its_holder_does_not_answer_leaves_it_alone(registry, register, follow):
    first, second, third = register(), register(), register()
    registry.promote(first.id)
    follow("trial", second)
    follow("trial", third, before=second)
    assert registry.holder("surge", "champion").id == first.id


def test_the_endpoint_of_the_models_name_has_the_last_word(registry, register, follow):
    first, second = register(), register()
    registry.promote(second.id)
    follow("surge", first)
    assert registry.holder("surge", "champion").id == first.id


def test_going_back_leaves_the_former_holders_as_they_were(registry, register, follow):
    first, second, third = register(), register(), register()
    for before, version in [(None, first), (first, second), (second, third), (third, second)]:
        follow("surge", version, before)
    assert registry.holder("surge", "champion").id == second.id
    assert registry.rollback("surge").id == first.id


def test_a_version_that_is_deleted_goes_on_answering_without_it(registry, register, follow):
    version = register()
    registry.delete_version(version.id)
    follow("surge", version)
    with pytest.raises(InvalidInput, match="not found"):
        registry.holder("surge", "champion")
