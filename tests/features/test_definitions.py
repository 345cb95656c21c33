"""Views, on-demand features and sets say what they are, refuse what cannot be, and are hashed by their meaning."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tidewheel.base.errors import InvalidInput
from tidewheel.data import dataset
from tidewheel.features import FeatureSet, FeatureView, OnDemand, count, last, mean, on_demand

RIDES = dataset("rides")


def view(name: str = "demand", **changed: Any) -> FeatureView:
    given: dict[str, Any] = {
        "entity": "zone",
        "source": RIDES,
        "timestamp": "requested_at",
        "every": "5m",
        "features": {"requests_15m": count("15m"), "wait_1h": mean("wait_s", "1h")},
    }
    return FeatureView(name, **{**given, **changed})


def pressure(compute: Callable[[Any], Any] | None = None, **changed: Any) -> OnDemand:
    given: dict[str, Any] = {
        "inputs": [view()],
        "request": {"drivers": float},
        "compute": compute or (lambda f: f["requests_15m"] / (f["drivers"] + 1)),
    }
    return on_demand("pressure", **{**given, **changed})


def test_a_set_names_its_features_entities_and_request_values_in_order() -> None:
    weather = view("weather", entity="city", features={"wind": last("wind_speed")})
    found = FeatureSet("surge", [pressure(), view(), weather])
    assert found.names == ("pressure", "requests_15m", "wait_1h", "wind")
    assert found.entities == ("zone", "city")
    assert found.request == {"drivers": float}
    assert [item.name for item in found.views] == ["demand", "weather"]


def test_what_is_only_read_is_computed_but_not_part_of_the_set() -> None:
    found = FeatureSet("surge", [pressure()])
    assert found.names == ("pressure",)
    assert [item.name for item in found.plan().views] == ["demand"]


@pytest.mark.parametrize(
    "changed",
    [
        {"entity": "driver"},
        {"source": dataset("walks")},
        {"timestamp": "known_at"},
        {"every": "1m"},
        {"features": {"requests_15m": count("30m"), "wait_1h": mean("wait_s", "1h")}},
        {"features": {"requests_15m": count("15m"), "wait_1h": mean("fare", "1h")}},
        {"features": {"wait_1h": mean("wait_s", "1h"), "requests_15m": count("15m")}},
        {"features": {"wind": last("wind_speed")}},
    ],
)
def test_the_hash_changes_with_the_meaning(changed: dict[str, Any]) -> None:
    assert view(**changed).hash != view().hash
    assert FeatureSet("s", [view(**changed)]).hash != FeatureSet("s", [view()]).hash


def test_the_hash_stays_when_the_meaning_does() -> None:
    assert view(freshness="5m", ttl="1d").hash == view().hash
    assert FeatureSet("other name", [view()]).hash == FeatureSet("s", [view()]).hash
    assert pressure().hash == pressure().hash


def test_ttl_is_part_of_the_meaning_of_last_only() -> None:
    winds = {"wind": last("wind_speed")}
    assert view(features=winds, ttl="1d").hash != view(features=winds).hash
    assert view(features=winds, every="1m").hash == view(features=winds).hash


def test_the_hash_of_an_on_demand_feature_is_that_of_its_code() -> None:
    assert pressure(lambda f: f["requests_15m"] / (f["drivers"] + 2)).hash != pressure().hash
    assert pressure(request={"drivers": int}).hash != pressure().hash
    assert FeatureSet("s", [pressure()]).hash != FeatureSet("s", [view(), pressure()]).hash


def test_the_hash_is_the_same_in_every_process() -> None:
    program = (
        "import tidewheel.features as f; from tidewheel.data import dataset\n"
        "v = f.FeatureView('v', entity='zone', source=dataset('rides'), timestamp='at',\n"
        "                  features={'n': f.count('5m'), 'w': f.last('wind')})\n"
        "busy = ('a', 'b')\n"
        "d = f.on_demand('d', inputs=[v], request={'x': float, 'c': str}, compute=lambda c: c['n'] + len(busy))\n"
        "print(f.FeatureSet('s', [v, d]).hash)\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.strip()) == 64


def test_a_window_that_every_does_not_divide_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a multiple"):
        view(every="7m")
    with pytest.raises(InvalidInput, match="not a multiple"):
        view(every=None, freshness="2h")
    with pytest.raises(InvalidInput, match="times every"):
        view(every="1ms")


def test_every_follows_from_freshness_or_the_windows() -> None:
    assert view(every=None).every_us == 15 * 60 * 10**6
    assert view(every=None, freshness="5m").every_us == 5 * 60 * 10**6


@pytest.mark.parametrize("features", [[], [view(), view("other")]])
def test_a_set_without_features_or_with_two_of_one_name_is_refused(features: list[FeatureView]) -> None:
    with pytest.raises(InvalidInput):
        FeatureSet("surge", features)


def test_a_view_without_features_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no features"):
        view(features={})


def test_the_time_of_rows_is_that_of_the_view_over_them_unless_the_set_says_so() -> None:
    assert FeatureSet("s", [view()]).time_column(RIDES) == "requested_at"
    assert FeatureSet("s", [view()], time="asked_at").time_column(RIDES) == "asked_at"
    with pytest.raises(InvalidInput, match="time of its rows"):
        FeatureSet("s", [view()]).time_column(dataset("quotes"))


def test_on_demand_names_are_declared_or_found_by_trying() -> None:
    assert pressure(lambda f: {"low": f["drivers"], "high": f["drivers"]}).names == ("low", "high")
    assert pressure(lambda f: f["drivers"]).names == ("pressure",)
    assert pressure(lambda f: {"a": np.zeros(1)}[f["no"]], features=["x", "y"]).names == ("x", "y")
    assert pressure(lambda f: f["no such column"]).names == ("pressure",)
    passed = on_demand("now", request={"drivers": float, "zone_name": str, "rain": bool})
    assert passed.names == ("drivers", "rain")


def test_an_on_demand_function_that_returns_something_else_is_told_so() -> None:
    columns = {"requests_15m": np.ones(2), "wait_1h": np.ones(2), "drivers": np.ones(2)}
    np.testing.assert_array_equal(pressure(lambda f: 7).values(columns, 2)["pressure"], [7, 7])
    with pytest.raises(InvalidInput, match=r"returned \['a'\]"):
        pressure(lambda f: {"a": f["drivers"]}, features=["b"]).values(columns, 2)
    with pytest.raises(InvalidInput, match="not a number for each of 2 rows"):
        pressure(lambda f: np.ones(3)).values(columns, 2)
    with pytest.raises(InvalidInput, match="not a number"):
        pressure(lambda f: ["x", "y"]).values(columns, 2)


def test_a_request_value_of_an_odd_type_or_of_two_types_is_refused() -> None:
    with pytest.raises(InvalidInput, match="drivers"):
        pressure(request={"drivers": list})
    other = on_demand("other", request={"drivers": str}, compute=lambda f: np.zeros(1))
    with pytest.raises(InvalidInput, match="one type"):
        FeatureSet("s", [pressure(), other])
