"""A small loop of your own: will this delivery be late?

    tidewheel up project.py      makes it true: trains a first model from deliveries.csv and serves it
    python traffic.py            orders come in; predictions go out; the truth comes back
    python traffic.py --shift    the same after a change of the world; watch the loop answer it

Everything is here to be changed. Durations are short so that a turn of the loop takes a minute; give them the length
that your labels and your traffic need.
"""

import lightgbm
import numpy as np

import tidewheel as tw

deliveries = tw.dataset("deliveries", initial="deliveries.csv")

# How busy a depot is, from past deliveries; known once they have arrived.
depot_load = tw.FeatureView(
    "depot_load",
    entity="depot",
    source=deliveries,
    timestamp="delivered_at",
    every="10s",
    ttl="30d",
    features={"late_rate_1h": tw.mean("late", "1h"), "deliveries_10m": tw.count("10m")},
)

# What is known when the order comes in. `log_km` is computed, the same way in training and in serving.
order = tw.on_demand("order", request={"distance_km": float, "items": float, "hour": float})
log_km = tw.on_demand("log_km", request={"distance_km": float}, compute=lambda f: np.log1p(f["distance_km"]))

features = tw.FeatureSet("delivery_features", [depot_load, order, log_km], time="ordered_at")


@tw.step(retries=1)
def train(rows):
    """Fit a small model and register it."""
    parameters = {"objective": "binary", "num_leaves": 8, "min_data_in_leaf": 50, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows.X, rows.column("late")), num_boost_round=60)
    tw.log_params({"rounds": 60, "rows": len(rows.X)})
    return tw.log_model(booster, "delivery", features=features, outputs=["p_late"], rows=rows)


@tw.pipeline
def fit_delivery(window="30d", since=None, until=None):
    """Train on the deliveries since a change point, or on the last window."""
    return train(features.training_rows(deliveries, window=window, since=since, until=until))


tw.Loop(
    "delivery",
    endpoint="delivery",
    features=features,
    pipeline=fit_delivery,
    label=tw.Label("late", delay="2s"),
    monitors=[tw.ConceptDrift("log_loss"), tw.Bias(tolerance=0.05)],
    retrain=[tw.on_alert(), tw.max_age("30d")],
    gates=[tw.beats_champion("log_loss"), tw.latency_p99("20ms")],
    rollout=tw.Canary(shadow="5s", steps=[10, 50, 100], min_per_stage=100, max_stage="1h"),
    rows=deliveries,
    min_rows=1500,
)
