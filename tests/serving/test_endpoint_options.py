"""The options of an endpoint: what is kept, journaled and published, and that a change of them reaches the workers."""

import pytest
from hypothesis import given, strategies as st
from tests.serving.house import until
from tests.serving.models import Adding

from tidewheel.base.clock import SystemClock
from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.serving import EndpointOptions, Serving, store
from tidewheel.serving.snapshot import ServingFolder, read_snapshot
from tidewheel.storage import Metadata, sqlite_url
from tidewheel.storage.journal import read_entries


def published(house):
    snapshot = read_snapshot(ServingFolder(house.home).snapshot)
    assert snapshot is not None
    return snapshot.generation, {endpoint.name: endpoint.options for endpoint in snapshot.endpoints}


def test_an_endpoint_begins_with_the_defaults(house):
    made = house.serving.create_endpoint("surge")
    assert made.options == EndpointOptions()
    assert made.generation == made.route.generation


def test_only_what_is_given_changes(house):
    house.serving.create_endpoint("surge")
    house.serving.configure_endpoint("surge", max_batch_rows=8, redact=["phone", "phone"])
    endpoint = house.serving.configure_endpoint("surge", log_share=0.25, isolated=True)
    wanted = EndpointOptions(max_batch_rows=8, redact=("phone",), log_share=0.25, isolated=True)
    assert endpoint.options == wanted
    assert house.serving.endpoints() == [endpoint] == [house.serving.endpoint("surge")]
    assert house.serving.configure_endpoint("surge", redact=[], isolated=False).options == EndpointOptions(
        max_batch_rows=8, log_share=0.25
    )


def test_a_change_is_journaled_with_what_was_before(house):
    house.serving.create_endpoint("surge")
    house.serving.configure_endpoint("surge", max_queue=7)
    house.serving.configure_endpoint("surge", max_queue=9)
    with house.metadata.read() as connection:
        first, second = read_entries(connection, kinds=["serving.endpoint.configured"])
    assert first.subject == second.subject == "endpoint:surge"
    assert (second.data["before"]["max_queue"], second.data["options"]["max_queue"]) == (7, 9)


def test_options_alone_make_a_generation_and_leave_the_route_as_it_was(house):
    version = house.deploy(Adding(1.0))
    house.serving.create_endpoint("other")
    route, history = house.serving.route("surge"), house.serving.history("surge")
    endpoint = house.serving.configure_endpoint("surge", batch_wait_ms=2.5)
    assert endpoint.generation > max(route.generation, house.serving.route("other").generation)
    assert endpoint.route == route
    assert house.serving.history("surge") == history
    assert published(house) == (
        endpoint.generation,
        {"surge": EndpointOptions(batch_wait_ms=2.5), "other": EndpointOptions()},
    )
    candidate = house.register(Adding(2.0))
    following = house.serving.set_route("surge", {version.id: 90.0, candidate.id: 10.0})
    assert following.generation == endpoint.generation + 1
    assert published(house)[1]["surge"] == EndpointOptions(batch_wait_ms=2.5)


def test_setting_the_present_options_again_changes_nothing(house):
    house.serving.create_endpoint("surge")
    first = house.serving.configure_endpoint("surge", timeout_ms=20)
    assert house.serving.configure_endpoint("surge", timeout_ms=20.0) == first
    assert house.serving.configure_endpoint("surge") == first


def test_workers_take_a_change_of_options_as_a_new_generation(house):
    house.deploy(Adding(1.0))
    house.start()
    house.applied()
    endpoint = house.serving.configure_endpoint("surge", max_queue=3)
    until(lambda: house.serving.applied(endpoint.generation))
    assert {worker.generation for worker in house.serving.status().workers} == {endpoint.generation}


def test_options_outlive_the_process_and_a_lost_snapshot(house):
    house.deploy(Adding(1.0))
    endpoint = house.serving.configure_endpoint("surge", redact=["a"], log_share=0.5)
    ServingFolder(house.home).snapshot.unlink()
    again = Metadata(sqlite_url(house.home / "metadata.db"), SystemClock())
    with again.read() as connection:
        assert store.options_of(connection, "surge") == (endpoint.options, endpoint.generation)
    again.close()
    assert house.serving.publish() == endpoint.generation
    assert published(house)[1]["surge"] == endpoint.options


def test_a_crash_between_the_change_and_its_publication_is_healed_by_the_next_round(house):
    house.deploy(Adding(1.0))
    changed = EndpointOptions(log_share=0.0)
    with house.metadata.change() as change:
        entry = change.emit("serving.endpoint.configured", "endpoint:surge")
        generation = store.last_generation(change.connection) + 1
        store.set_options(change.connection, "surge", changed, generation, 1, entry)
    assert published(house)[0] < generation
    assert house.serving.publish() == generation
    assert published(house) == (generation, {"surge": changed})


def test_every_database_keeps_options_in_one_sequence_with_routes(metadata):
    options = EndpointOptions(max_batch_rows=1, redact=("zone", "a"))
    with metadata.record() as connection:
        assert store.options_of(connection, "surge") == (EndpointOptions(), 0)
        store.set_options(connection, "surge", EndpointOptions(), 3, 1, "evt_1")
        store.set_options(connection, "surge", options, 4, 2, "evt_2")
        store.set_options(connection, "other", EndpointOptions(isolated=True), 5, 3, "evt_3")
    with metadata.read() as connection:
        assert store.last_generation(connection) == 5
        assert store.options_of(connection, "surge") == (options, 4)
        assert store.all_options(connection) == {"surge": (options, 4), "other": (EndpointOptions(isolated=True), 5)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_batch_rows", 0),
        ("batch_wait_ms", float("nan")),
        ("max_queue", 0),
        ("timeout_ms", -1.0),
        ("idle_unload_s", float("inf")),
        ("log_share", 1.5),
        ("redact", [""]),
    ],
)
def test_what_no_worker_can_obey_is_refused_and_named(house, name, value):
    house.serving.create_endpoint("surge")
    with pytest.raises(InvalidInput, match=name):
        house.serving.configure_endpoint("surge", **{name: value})
    assert house.serving.endpoint("surge").options == EndpointOptions()


def test_an_unknown_endpoint_is_not_found(house):
    with pytest.raises(NotFound):
        house.serving.configure_endpoint("nobody", max_queue=1)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_batch_rows": st.integers(),
            "batch_wait_ms": st.floats(),
            "timeout_ms": st.floats(),
            "log_share": st.floats(),
            "redact": st.lists(st.text(max_size=3), max_size=3).map(tuple),
        },
    )
)
def test_what_is_accepted_survives_the_snapshot(changes):
    import msgspec

    try:
        options = EndpointOptions().changed(**changes)
    except InvalidInput:
        return
    assert msgspec.json.decode(msgspec.json.encode(options), type=EndpointOptions) == options


def test_the_verb_takes_every_option_that_there_is():
    import inspect
    from dataclasses import fields

    taken = list(inspect.signature(Serving.configure_endpoint).parameters)[2:]
    assert taken == [field.name for field in fields(EndpointOptions)]
