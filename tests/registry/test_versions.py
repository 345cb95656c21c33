"""Registering, finding, promoting and rolling back."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tidewheel.base.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tidewheel.registry.names import check_alias, check_model_name, parse_address
from tidewheel.storage import acting
from tidewheel.storage.journal import edges, read_entries


def test_versions_of_a_model_are_numbered_from_one(registry, register):
    assert [register().number, register().number, register("eta").number] == [1, 2, 1]
    assert [version.number for version in registry.versions("surge")] == [2, 1]


def test_a_version_comes_back_as_it_was_registered(registry, register):
    version = register(
        run_id="run_1", feature_set=("surge_features", "ab" * 32), commits=["rides@4"], metrics={"auc": 0.7}
    )
    assert registry.version(version.id) == version
    assert version.signature.input_names == ("a", "b")
    assert version.commits == ("rides@4",)


def test_addresses_find_versions_by_id_alias_number_and_latest(registry, register):
    first, second = register(), register()
    registry.promote(first.id)
    addresses = [first.id, "models:/surge@champion", "models:/surge/1", "models:/surge/2", "models:/surge/latest"]
    assert [registry.find(address).id for address in addresses] == [first.id, first.id, first.id, second.id, second.id]


@pytest.mark.parametrize("address", ["models:/surge@nobody", "models:/surge/9", "models:/none/latest", "ver_x"])
def test_an_address_of_nothing_is_not_found(registry, register, address):
    register()
    with pytest.raises(NotFound, match="no model version"):
        registry.find(address)


def test_promoting_moves_the_alias_and_rolling_back_returns_it(registry, register):
    first, second, third = register(), register(), register()
    for version in (first, second, third):
        registry.promote(version.id)
    assert registry.models()[0].aliases == {"champion": 3}
    assert registry.rollback("surge").id == second.id
    assert registry.rollback("surge").id == first.id
    with pytest.raises(Conflict, match="before the present one"):
        registry.rollback("surge")
    assert registry.find("models:/surge@champion").aliases == ("champion",)


def test_promoting_the_holder_again_changes_nothing(registry, register, metadata):
    first, second = register(), register()
    registry.promote(first.id)
    registry.promote(second.id)
    registry.promote(second.id)
    assert registry.rollback("surge").id == first.id
    with metadata.read() as connection:
        assert len(read_entries(connection, kinds=["registry.version.promoted"])) == 2


def test_a_version_may_hold_several_aliases_and_lose_one(registry, register):
    version = register()
    registry.promote(version.id, "shadow")
    assert registry.promote(version.id).aliases == ("champion", "shadow")
    registry.remove_alias("surge", "shadow")
    assert registry.version(version.id).aliases == ("champion",)
    with pytest.raises(NotFound):
        registry.remove_alias("surge", "shadow")


def test_lineage_leads_from_commit_features_and_run_to_the_version(registry, register, metadata):
    version = register(run_id="run_1", feature_set=("fs", "ab" * 32), commits=["commit:rides@4", "weather@2"])
    with metadata.read() as connection:
        rows = connection.execute(edges.select()).mappings().all()
    sources = {row["source"] for row in rows if row["target"] == f"version:{version.id}"}
    assert sources == {"commit:rides@4", "commit:weather@2", f"feature_set:fs@{'ab' * 6}", "run:run_1"}


def test_a_format_that_executes_code_needs_a_word_of_trust_which_is_kept(register):
    with pytest.raises(NotAllowed, match="runs code"):
        register(format="python")
    with acting(actor="ada"):
        version = register(format="python", trust=True)
    assert (version.executes_code, version.trusted_by) == (True, "ada")
    assert register(trust=True).trusted_by is None


def test_an_evaluation_is_kept_with_its_version(registry, register):
    version = register()
    registry.set_evaluation(version.id, {"log_loss": 0.41, "gates": ["beats_champion"]})
    assert registry.version(version.id).evaluation == {"gates": ["beats_champion"], "log_loss": 0.41}


def test_an_empty_folder_is_refused(registry, register, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no model files"):
        register(folder=tmp_path / "empty")


@pytest.mark.parametrize("alias", ["latest", "v3", "V12", "a b", "", "x" * 256, "a/b"])
def test_an_alias_that_names_versions_already_is_refused(alias):
    with pytest.raises(InvalidInput):
        check_alias(alias)


@pytest.mark.parametrize("name", ["", " ", "a/b", ".", "..", "a:b", "x" * 257, "a\n"])
def test_a_model_name_that_addresses_could_not_carry_is_refused(name):
    with pytest.raises(InvalidInput):
        check_model_name(name)


@given(st.text(max_size=60))
def test_every_name_allowed_can_be_addressed(name):
    try:
        check_model_name(name)
    except InvalidInput:
        return
    assert parse_address(f"models:/{name}@champion").model == name
    assert parse_address(f"models:/{name}/7").number == 7


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(moves=st.lists(st.integers(0, 3), max_size=8))
def test_an_alias_is_a_stack_of_its_holders(registry, register, moves):
    """0 rolls back; n promotes version n. The oracle is a Python list."""
    name = f"m{len(registry.models())}"
    ids = [register(name).id for _ in range(3)]
    stack: list[str] = []
    for move in moves:
        if move and (not stack or stack[-1] != ids[move - 1]):
            stack.append(ids[move - 1])
            registry.promote(ids[move - 1])
        elif not move and len(stack) > 1:
            stack.pop()
            assert registry.rollback(name).id == stack[-1]
    if stack:
        assert registry.find(f"models:/{name}@champion").id == stack[-1]
