"""Statistics that stay valid at every look: pure functions and small value classes, numpy only.

What it does: turns evidence (losses, outcomes, latencies, sketches) into bounds, e-values and alarms whose error
rates are stated and hold however often, and at whatever moment, the caller looks.

Verbs: `mean_interval` / `difference_interval` (how much better), `rate_excess` (does B fail more often),
`quantile_above` / `quantile_worse` (is the tail slower), `EDetector.update` (has a stream changed),
`ConformalDrift.update` (has a feature changed, seasons apart), `compare` (how far apart are two distributions),
`paired_difference` (is the candidate better on the same rows).

Tables owned: none. Events emitted: none. Events read: none. No clock, no randomness and no I/O: the caller hands in
times and random numbers and keeps the state; whatever has state has `to_dict()` / `from_dict()` that are JSON.
"""

from tidewheel.stats.confidence_sequence import Interval, difference_interval, mean_interval
from tidewheel.stats.e_detector import Detection, EDetector, TwoSidedEDetector
from tidewheel.stats.feature_bins import FeatureBins
from tidewheel.stats.log_histogram import LogHistogram
from tidewheel.stats.losses import absolute, brier, excess_log_loss, excess_squared, log_loss, signed_error, squared
from tidewheel.stats.moments import Moments
from tidewheel.stats.quantiles import QuantileEvidence, quantile_above, quantile_interval, quantile_worse
from tidewheel.stats.rates import RateCounts, RateEvidence, rate_above, rate_difference_interval, rate_excess
from tidewheel.stats.ratio_moments import RatioMoments
from tidewheel.stats.reference_profile import (
    BinnedSketch,
    FeatureDistance,
    ReferenceProfile,
    compare,
    profile_feature,
)

__all__ = [
    "BinnedSketch",
    "Detection",
    "EDetector",
    "FeatureBins",
    "FeatureDistance",
    "Interval",
    "LogHistogram",
    "Moments",
    "QuantileEvidence",
    "RateCounts",
    "RateEvidence",
    "RatioMoments",
    "ReferenceProfile",
    "TwoSidedEDetector",
    "absolute",
    "brier",
    "compare",
    "difference_interval",
    "excess_log_loss",
    "excess_squared",
    "log_loss",
    "mean_interval",
    "profile_feature",
    "quantile_above",
    "quantile_interval",
    "quantile_worse",
    "rate_above",
    "rate_difference_interval",
    "rate_excess",
    "signed_error",
    "squared",
]
