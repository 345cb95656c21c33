"""What people do beside registering: names, descriptions, tags, stages, aliases, deletion, trust, search."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tidewheel.base.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tidewheel.registry import Registry
from tidewheel.registry.sample import sample_table
from tidewheel.storage import acting
from tidewheel.storage.journal import read_entries


class Shelf:
    """A source whose addresses hold what a test put there."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}

    def files_of(self, uri: str) -> dict[str, str]:
        if uri not in self.files:
            raise NotFound(f"Nothing lies at {uri}.")
        return self.files[uri]


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def sourced(metadata, blobs, clock, shelf):
    return Registry(metadata, blobs, clock, source=shelf)


def test_a_model_may_be_made_before_its_versions_and_only_once(registry, register):
    model = registry.create_model("surge", "prices", {"team": "pricing"})
    assert (model.versions, model.description, model.tags) == (0, "prices", {"team": "pricing"})
    with pytest.raises(Conflict, match="already exists"):
        registry.create_model("surge")
    assert register().number == 1


def test_renaming_takes_versions_aliases_and_tags_along(registry, register):
    version = register(tags={"a": "1"})
    registry.promote(version.id)
    registry.tag_model("surge", {"team": "pricing"})
    renamed = registry.rename("surge", "price")
    assert (renamed.versions, renamed.aliases, renamed.tags) == (1, {"champion": 1}, {"team": "pricing"})
    assert registry.find("models:/price@champion").tags == {"a": "1"}
    with pytest.raises(NotFound, match="name=surge not found"):
        registry.model("surge")
    register("eta")
    with pytest.raises(Conflict):
        registry.rename("eta", "price")


def test_tags_are_set_over_each_other_and_removed(registry, register):
    version = register()
    registry.tag(version.id, {"a": "1", "b": ""})
    registry.tag(version.id, {"a": "2"})
    assert registry.version(version.id).tags == {"a": "2", "b": ""}
    registry.untag(version.id, "a")
    assert registry.untag(version.id, "a").tags == {"b": ""}
    registry.tag_model("surge", {"team": "x"})
    assert registry.untag_model("surge", "team").tags == {}


@pytest.mark.parametrize("key", ["", "../x", "/x", "a//b", "a\nb", "x" * 251])
def test_a_tag_key_that_is_no_name_is_refused(registry, register, key):
    with pytest.raises(InvalidInput):
        registry.tag(register().id, {key: "v"})


def test_a_stage_may_be_taken_over_from_all_who_are_in_it(registry, register):
    first, second = register(), register()
    registry.transition(first.id, "production")
    registry.transition(second.id, "Production", archive_existing=True)
    assert [version.stage for version in registry.versions("surge")] == ["Production", "Archived"]
    assert registry.find("models:/surge/production").id == second.id
    assert [version.number for version in registry.latest_versions("surge", ["Archived"])] == [1]
    with pytest.raises(InvalidInput, match="Invalid Model Version stage"):
        registry.transition(first.id, "Live")
    with pytest.raises(InvalidInput, match="not an Active stage"):
        registry.transition(first.id, "None", archive_existing=True)


def test_a_deleted_version_is_found_by_its_id_alone_and_its_number_is_never_given_again(registry, register, tmp_path):
    first, second = register(), register(text="other")
    registry.promote(first.id)
    registry.promote(second.id)
    registry.delete_version(second.id)
    assert [version.number for version in registry.versions("surge")] == [1]
    assert registry.model("surge").aliases == {}
    kept = registry.fetch(second.id, tmp_path / "kept")
    assert kept.deleted_at is not None
    assert (tmp_path / "kept" / "model.txt").read_text() == "other"
    assert register().number == 3
    for verb in (registry.delete_version, registry.promote, registry.trust):
        with pytest.raises(NotFound, match=r"Model Version \(name=surge, version=2\) not found"):
            verb(second.id)


def test_a_version_deleted_under_its_successor_is_not_rolled_back_to(registry, register):
    first, second, third = register(), register(), register()
    for version in (first, second, third):
        registry.promote(version.id)
    registry.delete_version(second.id)
    assert registry.rollback("surge").id == first.id


def test_a_deleted_model_may_be_made_again_and_begins_at_one(registry, register):
    version = register()
    registry.promote(version.id)
    registry.delete_model("surge")
    with pytest.raises(NotFound):
        registry.versions("surge")
    assert registry.version(version.id).deleted_at is not None
    assert (register().number, registry.model("surge").aliases) == (1, {})


def test_sixteen_at_once_get_numbers_of_their_own(registry, register):
    register()
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: registry.register_source("surge", "s3://bucket/model").number, range(32)))
    assert sorted(made) == list(range(2, 34))


def test_of_an_address_elsewhere_only_the_address_is_known(sourced, tmp_path):
    version = sourced.register_source("surge", "s3://bucket/model", tags={"a": "1"}, description="d", run_id="r1")
    assert (version.format, version.files, version.source) == ("external", {}, "s3://bucket/model")
    assert sourced.version(version.id) == version
    with pytest.raises(NotFound, match="not here, only their address"):
        sourced.fetch(version.id, tmp_path)


def test_a_caller_may_ask_for_a_version_of_a_model_that_is_there_already(sourced):
    with pytest.raises(NotFound, match="name=surge not found"):
        sourced.register_source("surge", "s3://bucket/model", new_model=False)
    assert sourced.models() == []
    sourced.create_model("surge")
    assert sourced.register_source("surge", "s3://bucket/model", new_model=False).number == 1


@pytest.mark.parametrize("source", ["runs:/nobody/model", "runs:/r1/modle", "mlflow-artifacts:/elsewhere"])
def test_an_address_at_which_nothing_lies_is_refused_unless_it_may_be_empty(sourced, shelf, blobs, source):
    shelf.files["runs:/r1/model"] = {"model.txt": blobs.put(b"booster")}
    with pytest.raises(NotFound, match=source):
        sourced.register_source("surge", source)
    assert sourced.models() == []
    assert sourced.register_source("surge", source, empty=True).format == "external"


@pytest.mark.parametrize("source", ["./somewhere", "somewhere", "/tmp/model", "file:///tmp/model"])
def test_a_path_is_no_address(sourced, source):
    with pytest.raises(InvalidInput, match="is a path"):
        sourced.register_source("surge", source)


@pytest.mark.parametrize(
    "source", ["runs:/r/../x", "s3://b/%2e%2e/x", "file:///a/%252e%252e/b", "mlflow-artifacts:/..\\x"]
)
def test_an_address_that_leaves_its_place_is_refused(sourced, source):
    with pytest.raises(InvalidInput, match="Invalid model version source"):
        sourced.register_source("surge", source)


def test_a_model_that_mlflow_pickled_waits_for_a_word_of_trust(sourced, shelf, blobs):
    mlmodel = b"flavors:\n  python_function: {loader_module: mlflow.sklearn}\nmodel_id: m-1\nrun_id: r1\n"
    shelf.files["runs:/r1/model"] = {"MLmodel": blobs.put(mlmodel), "model.pkl": blobs.put(b"pickle")}
    version = sourced.register_source("surge", "runs:/r1/model")
    assert (version.format, version.executes_code, version.trusted_by) == ("mlflow", True, None)
    assert (version.run_id, version.model_id, version.size_bytes) == ("r1", "m-1", len(mlmodel) + 6)
    with pytest.raises(NotAllowed, match="nobody vouched"):
        sourced.load(version.id)
    with acting(actor="ada"):
        assert sourced.trust(version.id).trusted_by == "ada"
    assert sourced.trust(version.id).trusted_by == "ada"


def test_a_copy_has_all_of_its_original_and_comes_from_it(sourced, register, metadata):
    original = register(run_id="r1", metrics={"auc": 0.7}, commits=["rides@4"])
    sourced.promote(original.id)
    copy = sourced.register_source("price", "models:/surge@champion")
    assert (copy.files, copy.metrics, copy.source) == (original.files, {"auc": 0.7}, "models:/surge/1")
    with metadata.read() as connection:
        entry = read_entries(connection, subject=copy.node)[0]
    assert original.node in entry.inputs
    with pytest.raises(NotFound):
        sourced.register_source("price", "models:/surge/9")


def names(page):
    return [model.name for model in page.models]


def test_models_are_searched_by_name_and_tags_page_by_page(registry):
    for name in ("Surge", "surge_eta", "su%x", "other"):
        registry.create_model(name, tags={"team": name[:2].lower()})
    assert names(registry.search_models("name LIKE 'su%'")) == ["su%x", "surge_eta"]
    assert names(registry.search_models("name ILIKE 'SURGE%'")) == ["Surge", "surge_eta"]
    assert names(registry.search_models("tags.team = 'su' AND name != 'Surge'")) == ["su%x", "surge_eta"]
    assert names(registry.search_models("tags.nope != 'x'")) == []
    first = registry.search_models(order_by=["name DESC"], limit=3)
    rest = registry.search_models(order_by=["name DESC"], limit=3, page_token=first.next_page_token)
    assert (names(first), names(rest), rest.next_page_token) == (["surge_eta", "su%x", "other"], ["Surge"], None)


def test_versions_are_searched_by_model_number_run_source_and_tags(registry, register):
    register(run_id="r1", tags={"a": "1"})
    register(run_id="r2", source="runs:/r2/model")
    register("eta", run_id="r1")

    def found(text, **more):
        return [(each.model, each.number) for each in registry.search_versions(text, **more).versions]

    assert found("name = 'surge'") == [("surge", 2), ("surge", 1)]
    assert found("run_id IN ('r1')", order_by=["name ASC"]) == [("eta", 1), ("surge", 1)]
    assert found("source_path = 'runs:/r2/model'") == [("surge", 2)]
    assert found("version_number >= 2") == [("surge", 2)]
    assert found("tags.a = '1'") == [("surge", 1)]
    assert found("tags.`mlflow.prompt.is_prompt` = 'false' AND name = 'eta'") == [("eta", 1)]
    with pytest.raises(InvalidInput):
        registry.search_versions("metrics.auc > 1")
    with pytest.raises(InvalidInput, match="at most 200000"):
        registry.search_versions(limit=200_001)


def test_every_change_stands_in_the_journal(registry, register, metadata):
    version = register()
    registry.describe(version.id, "d")
    registry.describe_model("surge", "m")
    registry.tag(version.id, {"a": "1"})
    registry.untag(version.id, "a")
    registry.transition(version.id, "Staging")
    registry.delete_version(version.id)
    registry.delete_model("surge")
    with metadata.read() as connection:
        kinds = [entry.kind.removeprefix("registry.") for entry in read_entries(connection)]
    assert kinds == [
        "model.created",
        "version.registered",
        "version.described",
        "model.described",
        "version.tagged",
        "version.untagged",
        "version.staged",
        "version.deleted",
        "model.deleted",
    ]


def test_the_input_example_of_a_model_folder_becomes_its_sample(sourced, shelf, blobs):
    mlmodel = b"flavors: {python_function: {}}\nsaved_input_example_info: {artifact_path: input_example.json}\n"
    example = b'{"columns": ["a", "b"], "data": [[1.5, "x"], [2.5, null]]}'
    shelf.files["runs:/r/m"] = {"MLmodel": blobs.put(mlmodel), "input_example.json": blobs.put(example)}
    version = sourced.register_source("surge", "runs:/r/m")
    assert sourced.sample(version.id).to_pydict() == {"a": [1.5, 2.5], "b": ["x", None]}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"inputs": [[1]]}', '{"columns": ["a"], "data": [[1, 2]]}', '{"columns": 1}']
)
def test_an_example_that_is_no_table_is_left_among_the_files(text):
    assert sample_table(text.encode()) is None
