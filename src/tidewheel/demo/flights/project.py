"""The flights project, written as any owner of one would write it; `tidewheel up` on this file is the demo.

At scheduled departure it predicts whether a flight out of New York will arrive more than 15 minutes late, from the
timetable, the last weather seen at the origin, and how late the carrier's and the origin's flights have been landing.
"""

import tidewheel as tw
from tidewheel.demo.flights.model import DELAY_WINDOWS, FEATURES, LABEL, REQUEST, TILE, WEATHER, WEATHER_TTL, fit

flights = tw.dataset("flights")
weather = tw.dataset("weather")

timetable = tw.on_demand("timetable", request=dict.fromkeys(REQUEST, float))
origin_weather = tw.FeatureView(
    "origin_weather",
    entity="origin",
    source=weather,
    timestamp="observed_at",
    ttl=WEATHER_TTL,
    every="1h",
    freshness="3h",
    features={name: tw.last(name) for name in WEATHER},
)
carrier_delays = tw.FeatureView(
    "carrier_delays",
    entity="carrier",
    source=flights,
    timestamp="landed_at",  # a delay may be used once the flight has landed, not when it was due
    every=TILE,
    features={f"carrier_delay_{window}": tw.mean("arr_delay_min", window) for window in DELAY_WINDOWS},
)
origin_delays = tw.FeatureView(
    "origin_delays",
    entity="origin",
    source=flights,
    timestamp="landed_at",
    every=TILE,
    features={f"origin_delay_{window}": tw.mean("arr_delay_min", window) for window in DELAY_WINDOWS},
)
late_features = tw.FeatureSet(
    "late_features", [timetable, origin_weather, carrier_delays, origin_delays], time="scheduled_departure_at"
)
assert late_features.names == FEATURES  # the recipe addresses columns by name, the model by place


@tw.step(cache=True, retries=2)
def train(rows):
    """Fit the recipe on the flights whose fate is known, and register the booster."""
    table = rows.table()
    labelled = table.num_rows - table[LABEL].null_count
    tw.log_params({"rows": labelled, "without_label": table.num_rows - labelled})
    return tw.log_model(fit(table), "late", features=late_features, outputs=["p_late"], rows=rows)


@tw.pipeline
def fit_late(window="365d", until=None):
    """Train on the whole window, also after a change: `since` is not taken."""
    return train(late_features.training_rows(flights, window=window, until=until))


# Flights of one stormy day are late together: a day, not a flight, is what the monitors may count as one observation.
tw.Loop(
    "late",
    endpoint="late",
    features=late_features,
    pipeline=fit_late,
    label=tw.Label(LABEL, delay="6h"),
    monitors=[
        tw.ConceptDrift("log_loss", tolerance=0.005, alpha=0.01, per="1d"),
        tw.Bias(tolerance=0.01, alpha=0.01, per="1d", bound=0.35),
        tw.DataDrift(),
    ],
    retrain=[tw.on_alert(), tw.max_age("56d")],
    gates=[tw.beats_champion("log_loss")],
    rollout=tw.Canary(shadow="6h", steps=[25, 50, 100], min_per_stage=20, max_stage="7d"),
    rows=flights,
    window="365d",  # on this stream more history was always better, also after a change
    holdout="7d",
    min_rows=6000,
)
