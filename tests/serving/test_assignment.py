"""Who gets which version, as pure arithmetic."""

from hypothesis import given, strategies as st

from tidewheel.serving.assignment import hash_line, order_weights, pick, point_of, switchback_unit

CALLERS = [f"rider{number}" for number in range(5000)]


def holders(weights, salt="surge"):
    line = hash_line(weights)
    return {caller: pick(line, point_of(salt, caller)) for caller in CALLERS}


def test_shares_are_what_the_weights_say():
    got = list(holders({"c": 5.0, "b": 25.0, "a": 70.0}).values())
    for version, share in {"a": 0.70, "b": 0.25, "c": 0.05}.items():
        assert abs(got.count(version) / len(got) - share) < 0.02


def test_a_ramp_keeps_every_caller_it_has():
    order, before = ["old"], set()
    for share in (5.0, 25.0, 50.0, 100.0):
        weights = order_weights(order, {"old": 100.0 - share, "new": share} if share < 100 else {"new": 100.0})
        order = list(weights)
        inside = {caller for caller, version in holders(weights).items() if version == "new"}
        assert before <= inside
        before = inside
    assert before == set(CALLERS)


def test_another_salt_tosses_other_coins():
    one, two = holders({"new": 50.0, "old": 50.0}), holders({"new": 50.0, "old": 50.0}, salt="other")
    assert 0.45 < sum(one[caller] == two[caller] for caller in CALLERS) / len(CALLERS) < 0.55


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 100), min_size=1).filter(lambda w: sum(w.values()) > 0),
    st.floats(0, 1, exclude_max=True),
)
def test_every_point_has_a_holder_with_a_share(weights, point):
    assert weights[pick(hash_line(weights), point)] > 0


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 100)))
def test_ordering_keeps_all_weights_and_puts_newcomers_first(before, weights):
    ordered = order_weights(before, weights)
    assert ordered == weights
    known = [version for version in ordered if version in before]
    assert list(ordered)[len(ordered) - len(known) :] == known
    assert known == [version for version in before if version in weights]


def test_a_switchback_unit_is_an_entity_and_its_window():
    hour_us = 3_600_000_000
    assert switchback_unit("z1", 5 * hour_us, 3600) == "z1@5"
    assert switchback_unit("z1", 6 * hour_us - 1, 3600) == "z1@5"
    assert switchback_unit("z1", 6 * hour_us, 3600) == "z1@6"
