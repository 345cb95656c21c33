"""Statistics that stay valid at every look: pure functions and small value classes, numpy only.

What it does: turns evidence (losses, outcomes, latencies, sketches) into bounds, e-values and alarms whose error
rates are stated and hold however often, and at whatever moment, the caller looks.

Verbs: `mean_interval` / `difference_interval` (how much better), `rate_excess` (does B fail more often),
`quantile_above` / `quantile_worse` (is the tail slower), `EDetector.update` (has a stream changed),
`paired_difference` (is the candidate better on the same rows).

Tables owned: none. Events emitted: none. Events read: none. No clock, no randomness and no I/O: the caller hands in
times and random numbers and keeps the state; whatever has state has `to_dict()` / `from_dict()` that are JSON.
"""

from tidewheel.stats.confidence_sequence import Interval, boundary, difference_interval, mean_interval
from tidewheel.stats.e_detector import Detection, EDetector, TwoSidedEDetector
from tidewheel.stats.failure_share import FailureShareEvidence, failure_share_excess
from tidewheel.stats.feature_bins import FeatureBins
from tidewheel.stats.log_histogram import LogHistogram
from tidewheel.stats.losses import (
    EXCESS_BRIER_RANGE,
    EXCESS_LOG_LOSS_RANGE,
    SIGNED_ERROR_RANGE,
    absolute,
    brier,
    excess_brier,
    excess_log_loss,
    excess_squared,
    log_loss,
    signed_error,
    squared,
)
from tidewheel.stats.metrics import METRICS, Metric, metric
from tidewheel.stats.moments import Moments
from tidewheel.stats.paired import PairedDifference, SliceComparison, compare_slices, paired_difference
from tidewheel.stats.quantiles import QuantileEvidence, quantile_above, quantile_interval, quantile_worse
from tidewheel.stats.rates import RateCounts, RateEvidence, rate_above, rate_difference_interval, rate_excess
from tidewheel.stats.ratio_moments import RatioMoments

__all__ = [
    "EXCESS_BRIER_RANGE",
    "EXCESS_LOG_LOSS_RANGE",
    "METRICS",
    "SIGNED_ERROR_RANGE",
    "Detection",
    "EDetector",
    "FailureShareEvidence",
    "FeatureBins",
    "Interval",
    "LogHistogram",
    "Metric",
    "Moments",
    "PairedDifference",
    "QuantileEvidence",
    "RateCounts",
    "RateEvidence",
    "RatioMoments",
    "SliceComparison",
    "TwoSidedEDetector",
    "absolute",
    "boundary",
    "brier",
    "compare_slices",
    "difference_interval",
    "excess_brier",
    "excess_log_loss",
    "excess_squared",
    "failure_share_excess",
    "log_loss",
    "mean_interval",
    "metric",
    "paired_difference",
    "quantile_above",
    "quantile_interval",
    "quantile_worse",
    "rate_above",
    "rate_difference_interval",
    "rate_excess",
    "signed_error",
    "squared",
]
