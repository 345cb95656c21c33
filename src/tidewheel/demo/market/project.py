"""The ride-hailing project, written as any owner of one would write it; `tidewheel up` on this file is the demo.

A quote's features are the zone's recent demand and outcomes and what the app knows at the moment of asking. `offered`
is the multiplier: in the past the one that was shown, in a request one to explore, or nothing, and then the model
chooses.
"""

import numpy as np

import tidewheel as tw
from tidewheel.demo.market.pricing import FEATURES, PRICE, SurgePolicy, fit_acceptance, price_inverted

rides = tw.dataset("rides")

zone_demand = tw.FeatureView(
    "zone_demand",
    entity="zone",
    source=rides,
    timestamp="requested_at",
    every="5m",
    ttl="1d",
    freshness="1h",
    features={"requests_15m": tw.count("15m")},
)
zone_outcomes = tw.FeatureView(
    "zone_outcomes",
    entity="zone",
    source=rides,
    timestamp="known_at",  # an outcome may be used once it is known, not when the ride was asked for
    every="5m",
    ttl="1d",
    freshness="1h",
    features={"accept_rate_1h": tw.mean("accepted", "1h"), "wait_1h": tw.mean("wait_s", "1h")},
)
pressure = tw.on_demand(
    "pressure",
    inputs=[zone_demand],
    request={"drivers": float},
    compute=lambda f: f["requests_15m"] / (f["drivers"] + 1),
)
context = tw.on_demand(
    "context",
    request={"drivers": float, "rain": float, "base_fare": float, "hour": float, "centre_km": float, "offered": float},
)
surge_features = tw.FeatureSet("surge_features", [zone_demand, zone_outcomes, pressure, context])
assert tuple(surge_features.names[:PRICE]) == FEATURES  # the recipe addresses columns by place


@tw.step(cache=True, retries=2)
def train(rows):
    """Fit the acceptance model, wrap it in the pricing policy, and register that."""
    accepted = rows.column("accepted")
    policy = SurgePolicy(fit_acceptance(rows.X, accepted))
    tw.log_params({"rows": len(accepted), "explored": round(float(np.mean(rows.column("explored"))), 4)})
    tw.log_metric("train_accept_rate", float(np.mean(accepted)))
    return tw.log_model(
        policy,
        "surge",
        features=surge_features,
        outputs=["multiplier", "p_accept"],
        rows=rows.replace(offered=np.nan),  # the reference is what the policy would have asked, not what was asked
        trust=True,  # a Python class: its pickle runs code, and we wrote it
    )


@tw.step
def train_on_upside_down_prices(rows):
    """Act two's mistake: an export that wrote 1/multiplier. The candidate it yields asks everybody for the most."""
    policy = SurgePolicy(fit_acceptance(price_inverted(rows.X), rows.column("accepted")))
    tw.set_tag("note", "multipliers exported upside down")
    return tw.log_model(
        policy,
        "surge",
        features=surge_features,
        outputs=["multiplier", "p_accept"],
        rows=rows.replace(offered=np.nan),
        trust=True,
    )


@tw.pipeline
def fit_surge(window="28d", since=None, until=None):
    """Train on the rides since a change point, or on the last window."""
    return train(surge_features.training_rows(rides, window=window, since=since, until=until))


@tw.pipeline
def fit_surge_upside_down(window="28d", since=None, until=None):
    """The same with the mistake in it."""
    return train_on_upside_down_prices(surge_features.training_rows(rides, window=window, since=since, until=until))


tw.Loop(
    "surge",
    endpoint="surge",
    features=surge_features,
    pipeline=fit_surge,
    label=tw.Label("accepted", delay="30m", prediction="p_accept"),
    monitors=[
        tw.ConceptDrift("log_loss"),
        tw.Bias(tolerance=0.06),
        tw.DataDrift(ignore=["offered", "rain"]),
        tw.PredictionDrift(),
    ],
    retrain=[tw.on_alert(), tw.max_age("90d")],
    gates=[tw.beats_champion("log_loss"), tw.no_slice_worse_than("zone", 0.05), tw.latency_p99("25ms")],
    rollout=tw.Canary(
        shadow="30m",
        steps=[5, 25, 50, 100],
        guardrails=["error_rate", "latency_p99"],
        goal="value",
        min_per_stage=150,
        max_stage="3d",
    ),
    rows=rides,
    window="28d",
    min_rows=5000,
)
