"""E-detectors: has the mean of a stream risen, with a stated false-alarm rate, no model and a look at every row.

Called by monitors: ConceptDrift feeds `losses.excess_log_loss`, Bias feeds `losses.signed_error` to the two-sided
one. It must never be fed rows chosen by their outcome, nor be given m0, lo or lambda from the rows it then judges.

Null: E[x | past] <= m0 with x >= lo. Each row bets with increments L = 1 + lambda (x - m0), of mean at most 1 under
the null; a change at an unknown row j is met by starting a bet at every row:

    Shiryaev-Roberts ("sr")    R_t = L_t (1 + R_{t-1}) = sum over j of product L_j..L_t
    CUSUM ("cusum")            C_t = L_t max(1, C_{t-1}) = max over j of product L_j..L_t   <= R_t

The evidence is the average over a small geometric grid of lambda (an average of e-detectors is one); alarm at
1/alpha.

What is guaranteed, under the null, for the first alarm at row N:
    * average run length E[N] >= 1/alpha: both kinds;
    * P(N <= n) <= n alpha for every n: both kinds, as E[R_N'] <= E[N'] at any stopping time N' and C <= R. For "sr" the
      bound is nearly met; "cusum" is below it, so it alarms a little later (about log of the run length in nats).
    Choose alpha = (false alarms accepted) / (rows until the detector is reset): 1e-7 for 1e5 rows is one in a hundred.
Not guaranteed: P(ever alarm) <= alpha. Every detector that restarts alarms in the end.

m0 ("tolerance"): a drift smaller than m0 does not count. lo, hi: the stream's range, unit of x. Rows below lo are
refused; rows above hi are clipped, which keeps the null true. alpha: per row. Growth is about
(mean - m0)^2 / (2 variance) nats a row; log(1/alpha) and some 2-5 nats for the mixture must be earned.
Measured, alpha = 1e-7, p = 0.6, truth 0.5 from row 0 on, labels until the alarm (median / 90 % of 200 runs):
excess log loss 630 / 930; with m0 = 0.005, 830 / 1,270; signed error, two-sided, 670 / 1,030; with tolerance 0.01,
830 / 1,290; the same by "cusum" with tolerance 0, 860 / 1,340. A million rows take 2 s on one core.

Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New England Journal
of Statistics in Data Science 2024 (arXiv 2203.03532), Definitions 2.1-2.3 and Theorem 2.4.

>>> import numpy as np
>>> rng = np.random.default_rng(11)
>>> p = np.full(6000, 0.6)
>>> y = (rng.random(6000) < np.where(np.arange(6000) < 3000, 0.6, 0.45)).astype(float)
>>> detector = EDetector(alpha=1e-7, lo=-1.0, hi=1.0, m0=0.01)
>>> found = detector.update(p - y, times=np.arange(6000.0))
>>> found.alarm, found.alarm_index, found.change_index
(True, 3472, 2995)
>>> EDetector.from_dict(detector.to_dict()).reading() == found
True
"""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from tidewheel.stats._checks import Floats, Ints, State, finite_column, probability, same_length

Kind = Literal["sr", "cusum"]

_CHUNK = 16_384  # rows handled at once: bounds memory, does not change the result
_GRID = 12
_LARGEST_BET = 0.9  # share of the largest lambda that keeps every increment positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What the detector knows. Indices count rows from 0 since the reset; times are the caller's own (seconds, UTC).

    Before an alarm `change_index` / `change_at` say where a change would have begun; from the first alarm on they and
    `log_evidence_at_alarm` keep what was known at that alarm, while `log_evidence` goes on.
    """

    rows: int
    log_evidence: float
    log_threshold: float
    alarm: bool
    alarm_index: int | None = None
    alarm_at: float | None = None
    change_index: int | None = None
    change_at: float | None = None
    log_evidence_at_alarm: float | None = None


class EDetector:
    """Detects a rise of the mean above m0. For a fall, feed -x (see `TwoSidedEDetector`). Mutable, not thread-safe."""

    def __init__(self, *, alpha: float, lo: float, hi: float, m0: float = 0.0, kind: Kind = "sr") -> None:
        if not lo < m0 < hi:
            raise ValueError(f"need lo < m0 < hi, got lo={lo}, m0={m0}, hi={hi}")
        if kind not in ("sr", "cusum"):
            raise ValueError(f'kind must be "sr" or "cusum", got {kind!r}')
        self.alpha, self.lo, self.hi, self.m0 = probability(alpha, "alpha"), float(lo), float(hi), float(m0)
        self.kind: Kind = kind
        self.lambdas: Floats = np.geomspace(1 / 512, 1.0, _GRID) * (_LARGEST_BET / (self.m0 - self.lo))
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a promotion the stream is another one."""
        self.rows = 0
        self._log_sr: Floats = np.full(_GRID, -np.inf)
        self._log_cusum: Floats = np.full(_GRID, -np.inf)
        self._restart_index: Ints = np.zeros(_GRID, dtype=np.int64)
        self._restart_at: Floats = np.full(_GRID, np.nan)
        self._alarm: Detection | None = None

    def update(self, values: ArrayLike, times: ArrayLike | None = None) -> Detection:
        """Take a batch of rows in order; `times` (one per row) come back as the alarm's and the change's moment."""
        x = finite_column(values, "values")
        at = np.full(len(x), np.nan) if times is None else finite_column(times, "times")
        same_length(x, at, "values and times")
        if len(x) and x.min() < self.lo:
            raise ValueError(f"a value is {x.min()}, below lo={self.lo}; the guarantee needs lo to be the true minimum")
        for start in range(0, len(x), _CHUNK):
            self._take(np.minimum(x[start : start + _CHUNK], self.hi), at[start : start + _CHUNK])
        return self.reading()

    def reading(self) -> Detection:
        """The present state of knowledge, without new rows."""
        evidence = float(self._mixture(self._log_sr if self.kind == "sr" else self._log_cusum))
        if self._alarm is None:
            return self._detection(evidence)
        alarm = {name: getattr(self._alarm, name) for name in Detection.__slots__}
        return Detection(**{**alarm, "rows": self.rows, "log_evidence": evidence})

    def to_dict(self) -> State:
        """Plain JSON values; a detector made from them goes on exactly as this one would."""
        return {
            "settings": {n: getattr(self, n) for n in ("alpha", "lo", "hi", "m0", "kind")},
            "rows": self.rows,
            "log_sr": _json(self._log_sr),
            "log_cusum": _json(self._log_cusum),
            "restart_index": self._restart_index.tolist(),
            "restart_at": _json(self._restart_at),
            "alarm": None if self._alarm is None else {n: getattr(self._alarm, n) for n in Detection.__slots__},
        }

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        detector = cls(**state["settings"])
        detector.rows = int(state["rows"])
        detector._log_sr = _floats(state["log_sr"], -np.inf)
        detector._log_cusum = _floats(state["log_cusum"], -np.inf)
        detector._restart_index = np.asarray(state["restart_index"], dtype=np.int64)
        detector._restart_at = _floats(state["restart_at"], np.nan)
        detector._alarm = None if state["alarm"] is None else Detection(**state["alarm"])
        return detector

    def _take(self, x: Floats, at: Floats) -> None:
        """One chunk: paths of every lambda at once, as [row, lambda], in logs.

        With S the cumulated log increments, R_t = exp(S_t) (R_0 + sum_{j<=t} exp(-S_{j-1})) and
        C_t = exp(S_t) max(C_0, max_{j<=t} exp(-S_{j-1})): both are one accumulation.
        """
        s = np.cumsum(np.log1p((x - self.m0)[:, None] * self.lambdas), axis=0)
        starts = np.vstack([np.zeros(_GRID), -s[:-1]])
        sr = s + np.logaddexp.accumulate(np.vstack([self._log_sr, starts]), axis=0)[1:]
        best = np.maximum.accumulate(np.vstack([self._log_cusum, starts]), axis=0)
        cusum = s + best[1:]
        restarts = np.maximum.accumulate(
            np.where(starts >= best[:-1], np.arange(1, len(x) + 1)[:, None], 0), axis=0
        )  # 0: the restart of an earlier chunk still leads; else 1 + row of this chunk
        if self._alarm is None:
            self._look_for_alarm(sr if self.kind == "sr" else cusum, cusum, restarts, at)
        self._restart_index, self._restart_at = self._restarted(restarts[-1], at)
        self._log_sr, self._log_cusum = sr[-1], cusum[-1]
        self.rows += len(x)

    def _look_for_alarm(self, paths: Floats, cusum: Floats, restarts: Ints, at: Floats) -> None:
        evidence = self._mixture(paths)
        crossed = np.flatnonzero(evidence >= -math.log(self.alpha))
        if len(crossed) == 0:
            return
        row, leader = int(crossed[0]), int(np.argmax(cusum[crossed[0]]))
        index, moment = self._restarted(restarts[row], at)
        self._alarm = Detection(
            rows=self.rows + row + 1,
            log_evidence=float(evidence[row]),
            log_threshold=-math.log(self.alpha),
            alarm=True,
            alarm_index=self.rows + row,
            alarm_at=_moment(at[row]),
            change_index=int(index[leader]),
            change_at=_moment(moment[leader]),
            log_evidence_at_alarm=float(evidence[row]),
        )

    def _restarted(self, restart: Ints, at: Floats) -> tuple[Ints, Floats]:
        fresh = restart > 0
        index = np.where(fresh, self.rows + restart - 1, self._restart_index)
        return index, np.where(fresh, at[np.maximum(restart - 1, 0)], self._restart_at)

    def _detection(self, evidence: float) -> Detection:
        leader = int(np.argmax(self._log_cusum))
        begun = self.rows > 0
        return Detection(
            rows=self.rows,
            log_evidence=evidence,
            log_threshold=-math.log(self.alpha),
            alarm=False,
            change_index=int(self._restart_index[leader]) if begun else None,
            change_at=_moment(self._restart_at[leader]) if begun else None,
        )

    def _mixture(self, logs: Floats) -> Floats:
        return np.asarray(np.logaddexp.reduce(logs, axis=-1) - math.log(_GRID))


class TwoSidedEDetector:
    """Detects a mean leaving [-tolerance, tolerance] on either side: two one-sided detectors at alpha/2 each.

    The stream lies in [-bound, bound]; for a signed error y - p, bound = 1. Rates as for `EDetector` at alpha.

    >>> bias = TwoSidedEDetector(alpha=1e-6, bound=1.0, tolerance=0.02)
    >>> bias.update([-0.4] * 300).alarm, bias.side
    (True, 'below')
    """

    def __init__(self, *, alpha: float, bound: float, tolerance: float = 0.0, kind: Kind = "sr") -> None:
        half = probability(alpha, "alpha") / 2
        self.above = EDetector(alpha=half, lo=-bound, hi=bound, m0=tolerance, kind=kind)
        self.below = EDetector(alpha=half, lo=-bound, hi=bound, m0=tolerance, kind=kind)

    @property
    def side(self) -> Literal["above", "below"]:
        """On which side the evidence is stronger; after an alarm, the side that alarmed first."""
        above, below = self.above.reading(), self.below.reading()
        if above.alarm_index is not None and below.alarm_index is not None:
            return "above" if above.alarm_index <= below.alarm_index else "below"
        if above.alarm or below.alarm:
            return "above" if above.alarm else "below"
        return "above" if above.log_evidence >= below.log_evidence else "below"

    def update(self, values: ArrayLike, times: ArrayLike | None = None) -> Detection:
        """Take a batch of rows in order; the detection of the side that leads."""
        x = finite_column(values, "values")
        self.above.update(x, times)
        self.below.update(-x, times)
        return self.reading()

    def reading(self) -> Detection:
        """The present state of knowledge of the leading side."""
        return self.above.reading() if self.side == "above" else self.below.reading()

    def reset(self) -> None:
        """Forget everything, on both sides."""
        self.above.reset()
        self.below.reset()

    def to_dict(self) -> State:
        """Plain JSON values; a detector made from them goes on exactly as this one would."""
        return {"above": self.above.to_dict(), "below": self.below.to_dict()}

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        detector = cls.__new__(cls)
        detector.above, detector.below = EDetector.from_dict(state["above"]), EDetector.from_dict(state["below"])
        return detector


def _moment(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _json(values: Floats) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]


def _floats(values: list[float | None], missing: float) -> Floats:
    return np.array([missing if v is None else v for v in values], dtype=np.float64)
