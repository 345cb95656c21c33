"""The gates that a candidate passes before it may meet traffic. Each is a pure judgement of a `GateCase`.

`tw.beats_champion("log_loss")`, `tw.no_slice_worse_than("zone", 0.02)`, `tw.latency_p99("10ms")`. A gate looks once,
at rows that neither model was trained on, so its intervals are ordinary single-look ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_duration
from tidewheel.registry import GateCase, Verdict
from tidewheel.stats import METRICS, compare_slices, paired_difference

_ENOUGH_ROWS = 100


@dataclass(frozen=True, slots=True)
class BeatsChampion:
    """The candidate's metric on the held-out rows must be better than the champion's, by more than chance explains."""

    metric: str
    confidence: float

    @property
    def name(self) -> str:
        return f"beats_champion({self.metric})"

    def judge(self, case: GateCase) -> Verdict:
        metric = METRICS[self.metric]
        labels = _labels(case)
        candidate, champion = case.predicted()
        if labels.size < _ENOUGH_ROWS:
            return Verdict(self.name, False, f"only {labels.size} labelled rows to judge by, {_ENOUGH_ROWS} are needed")
        ours = metric(labels, candidate)
        if champion is None:
            return Verdict(self.name, True, f"no champion to beat; {self.metric} {ours:.4f}", {"candidate": ours})
        theirs = metric(labels, champion)
        evidence = {"candidate": ours, "champion": theirs, "rows": int(labels.size), "confidence": self.confidence}
        if metric.per_row is None:
            passed = metric.improves(ours, over=theirs)
        else:
            losses = metric.per_row(labels, candidate), metric.per_row(labels, champion)
            found = paired_difference(*losses, alpha=1 - self.confidence)
            evidence |= {"gain": -found.estimate, "gain_at_least": -found.upper}
            passed = found.better
        verb = "beats" if passed else "does not beat"
        return Verdict(self.name, passed, f"{self.metric} {ours:.4f} {verb} the champion's {theirs:.4f}", evidence)


@dataclass(frozen=True, slots=True)
class NoSliceWorseThan:
    """In no slice of a column may the candidate be proven worse than the champion by more than the margin."""

    column: str
    margin: float
    metric: str
    confidence: float

    @property
    def name(self) -> str:
        return f"no_slice_worse_than({self.column}, {self.margin:g})"

    def judge(self, case: GateCase) -> Verdict:
        per_row = METRICS[self.metric].per_row
        candidate, champion = case.predicted()
        if champion is None or per_row is None:
            return Verdict(self.name, True, "no champion to compare slices with")
        if self.column not in case.rows.column_names:
            raise InvalidInput(f"The rows have no column {self.column!r}.", fix=f"They have {case.rows.column_names}.")
        labels = _labels(case)
        found = compare_slices(
            per_row(labels, candidate),
            per_row(labels, champion),
            case.rows.column(self.column).to_pylist(),
            tolerance=self.margin,
            alpha=1 - self.confidence,
        )
        # Refuse on proof of harm, not on want of proof of safety: small slices could otherwise block for ever.
        worse = [each for each in found if each.worse]
        evidence = {"slices": [asdict(each) for each in found], "margin": self.margin, "confidence": self.confidence}
        if worse:
            named = ", ".join(f"{each.slice} by {each.difference:.3f}" for each in worse)
            return Verdict(self.name, False, f"{self.metric} is worse in {named}", evidence)
        return Verdict(self.name, True, f"none of {len(found)} slices is proven worse by {self.margin:g}", evidence)


@dataclass(frozen=True, slots=True)
class LatencyP99:
    """The 99th percentile, over rows, of how long the candidate takes to answer one, measured here: below a limit."""

    limit_ms: float

    @property
    def name(self) -> str:
        return f"latency_p99({self.limit_ms:g}ms)"

    def judge(self, case: GateCase) -> Verdict:
        if case.latencies_ms.size == 0:
            return Verdict(self.name, False, "no row to measure an answer with")
        p99 = float(np.quantile(case.latencies_ms, 0.99))
        evidence = {
            "p99_ms": p99,
            "median_ms": float(np.median(case.latencies_ms)),
            "calls": int(case.latencies_ms.size),
        }
        side = "within" if p99 <= self.limit_ms else "over"
        return Verdict(self.name, p99 <= self.limit_ms, f"p99 {p99:.2f} ms is {side} {self.limit_ms:g} ms", evidence)


def beats_champion(metric: str, *, confidence: float = 0.9) -> BeatsChampion:
    """The candidate must beat the champion in `metric` on the held-out rows.

    Args:
        metric: one of `stats.METRICS`, as "log_loss", "brier", "auc", "rmse".
        confidence: of the one-sided paired interval on the gain; metrics that are not a mean over rows (auc) are
        compared
            as they are.

    Raises:
        InvalidInput: if there is no such metric.
    """
    _check_metric(metric)
    return BeatsChampion(metric, confidence)


def no_slice_worse_than(
    column: str, margin: float, *, metric: str = "log_loss", confidence: float = 0.95
) -> NoSliceWorseThan:
    """In no value of `column` may the candidate's mean loss be proven worse than the champion's by more than `margin`.

    Raises:
        InvalidInput: if there is no such metric, or it is not a mean of losses over rows.
    """
    _check_metric(metric)
    if not METRICS[metric].decomposes:
        raise InvalidInput(f"{metric!r} is not a mean over rows, so slices cannot be compared by it.")
    return NoSliceWorseThan(column, margin, metric, confidence)


def latency_p99(limit: str) -> LatencyP99:
    """The candidate must answer 99 of 100 single rows within `limit`, as in ``tw.latency_p99("10ms")``."""
    return LatencyP99(parse_duration(limit).total_seconds() * 1000)


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise InvalidInput(f"There is no metric {metric!r}.", fix=f"Use one of {', '.join(sorted(METRICS))}.")


def _labels(case: GateCase) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    labels: np.ndarray[tuple[int], np.dtype[np.float64]] = case.rows.column(case.label).to_numpy().astype(np.float64)
    return labels
