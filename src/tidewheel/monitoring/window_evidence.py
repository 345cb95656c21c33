"""Evidence that windows of traffic differ from windows of training, all columns held to one false-alarm rate.

Called by `window_drift` alone. The unit is the window (an hour, say), not the row: rows of an hour resemble each other,
and a test by rows reports every rainy Tuesday. A closed window is ranked among the windows of its slot (hour of the
day, working days and weekends apart). Ranks of exchangeable windows are uniform and independent; a rank becomes an
e-value, and Shiryaev-Roberts sums look for a change at an unknown window:

    for each column three scores against the slot's other windows (leave-one-out, pooled), in reference deviations:
        distance  binned W1 + change of the missing share        up, down  the signed shift of the mean
    rank r of n + 1 windows (1: the farthest),   z = normal quantile of (n + 3/2 - r) / (n + 1)
    e = exp(d z) / average of exp(d z) over all ranks, d = 0.5, 1, 1.5, 2,   R <- e (1 + R)

These bets suit bags of a dozen windows and shifts of about one deviation between windows, where power calibrators of
p-values gain half as much. The evidence is the average of R over columns, scores and d, so whatever their dependence

    P(false alarm within n windows) <= n alpha.

Three things would break that promise, and are met here:
- A window of few rows is far from everything by chance. Windows of the bag that hold more rows than the one judged
  are thinned to its size (a seeded draw, the same at every replay), so half the traffic is no drift.
- Weather lasts. For each column the lag at which the reference's windows no longer resemble each other is measured,
  and the e-values of a block twice that long are averaged, which holds under any dependence within it.
- Windows join the bag once judged, which is what makes successive p-values independent; the state kept in JSON is
  therefore only the moving part, and the bag is learnt again from the stored windows (`learn`, in the same order).

A column is named when its own evidence is past 1/alpha and its effect, pooled over the windows since its change (24 at
most), is `min_effect` or more; there is an alarm when the evidence of all is past 1/alpha and a column is named.

Measured on the ride-hailing market (`demo.market`, drivers, rain, fare, hour and distance by the hour, 21 days of
reference, seven days watched, alpha = 1e-4): no alarm in 60 seeds, the largest evidence 7.6 of 9.2 nats. From a
competitor's launch on, which leaves 0.34 sd more drivers free, `drivers` and nothing else was named after 40 hours at
the median (24 to 64) of 20 seeds; the change was dated within 4 hours in 13, within 12 in 16, 2 days early at worst.

Vovk, "Testing randomness online", Statistical Science 2021 (arXiv 1906.09256); Shin, Ramdas, Rinaldo, "E-detectors",
2024 (arXiv 2203.03532); Vovk, Wang, "E-values", Annals of Statistics 2021 (averages of dependent e-values).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.monitoring.window_scores import WindowScores
from tidewheel.stats import FeatureBins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int32]

Slot = tuple[int, bool]
MIN_ROWS = 30
"""A window with fewer rows is neither judged nor learnt."""
_ENOUGH = 12  # windows in a slot; with fewer, those of the neighbouring hours are borrowed
_FEWEST = 5  # windows in a bag below which nothing is judged
_FULL = 200  # windows in a slot at which no more join
_RECENT = 24  # windows that an effect is pooled over at most
_BLOCKS = (1, 2, 3, 4, 6, 8, 12, 24)  # windows
_RESEMBLANCE = 0.15  # autocorrelation below which windows count as independent
_SCORES = 3
_SHIFTS = np.array([0.5, 1.0, 1.5, 2.0])  # looked for, in deviations between windows of a slot
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column's part. `shift` is in reference deviations; `direction` is "up", "down" or "" (another shape)."""

    column: str
    log_evidence: float
    shift: float
    direction: str
    change_window: int
    named: bool


@dataclass(frozen=True, slots=True)
class _Window:
    """A window in a bag: its number, and its counts by column and bin."""

    number: int
    rows: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class _Recent:
    """A window of traffic beside all that its slot held before it."""

    number: int
    counts: Counts
    before: NDArray[np.int64]


class WindowEvidence:
    """The detector. Counts are (columns, widest bins) matrices in the order of `columns`. Not for threads."""

    def __init__(
        self,
        bins: Sequence[FeatureBins],
        width: int,
        *,
        columns: Sequence[str],
        slots: int,
        alpha: float,
        min_effect: float,
    ) -> None:
        self.columns = tuple(columns)
        self._log_threshold = -math.log(alpha)
        self._slots, self._min_effect = slots, min_effect
        self._scores = WindowScores(bins, width)
        self._bags: dict[Slot, list[_Window]] = {}
        self._pooled: dict[Slot, NDArray[np.int64]] = {}
        self._thinned: dict[tuple[int, int], Counts] = {}
        self._recent: deque[_Recent] = deque(maxlen=_RECENT)
        self._blocks: NDArray[np.int64] = np.ones(len(self.columns), dtype=np.int64)
        self.reset()

    def reset(self, number: int = 0) -> None:
        """Forget evidence and alarm, keep the windows; the next is window `number`."""
        shape = (len(self.columns), _SCORES, len(_SHIFTS))
        self.windows = 0
        self._log_sr: Floats = np.full(shape, -np.inf)
        self._log_cusum: Floats = np.full(shape, -np.inf)
        self._restart: NDArray[np.int64] = np.full(shape, number, dtype=np.int64)
        self._block_sum: Floats = np.full(shape, -np.inf)  # log of the e-values of the block under way, summed
        self._block_count: NDArray[np.int64] = np.zeros(len(self.columns), dtype=np.int64)
        self._block_first: NDArray[np.int64] = np.full(len(self.columns), number, dtype=np.int64)
        self.alarm_from: int | None = None

    @property
    def log_threshold(self) -> float:
        """Evidence at which there is an alarm, in nats."""
        return self._log_threshold

    @property
    def log_evidence(self) -> float:
        """The evidence of all columns together, in nats; 0 before the first window."""
        total = float(np.logaddexp.reduce(self._log_sr, axis=None)) - math.log(self._log_sr.size)
        return total if math.isfinite(total) else 0.0

    def learn(self, number: int, slot: Slot, counts: Counts) -> bool:
        """Let a window join its slot's bag without judging it; False if it holds too few rows."""
        rows = int(counts[0].sum())
        if rows < MIN_ROWS:
            return False
        pooled = self._pooled.get(slot)
        if pooled is not None:
            self._recent.append(_Recent(number, counts, pooled))
        bag = self._bags.setdefault(slot, [])
        if len(bag) < _FULL:
            bag.append(_Window(number, rows, counts))
            self._pooled[slot] = counts.astype(np.int64) if pooled is None else pooled + counts
        return True

    def settle(self) -> None:
        """The windows learnt so far are the reference: measure how long windows resemble each other."""
        windows = sorted((w.number, slot) for slot, bag in self._bags.items() for w in bag)
        if windows:
            held = {w.number: w.counts for bag in self._bags.values() for w in bag}
            means = self._scores.means(np.stack([held[number] for number, _ in windows]).astype(np.float64))
            self._blocks = _block_lengths(windows, means)

    def judge(self, number: int, slot: Slot, counts: Counts) -> None:
        """Take one closed window of traffic, later than all before it."""
        rows, bag = int(counts[0].sum()), self._bag(slot)
        if rows >= MIN_ROWS and len(bag) >= _FEWEST:
            self._bet(number, self._log_bets(counts, rows, bag))
            self.windows += 1
        self.learn(number, slot, counts)
        if self.alarm_from is None and self.log_evidence >= self._log_threshold:
            named = [column for column in self.drifts() if column.named]
            self.alarm_from = named[0].change_window if named else None

    def drifts(self) -> list[ColumnDrift]:
        """Every column that has been judged, the strongest evidence first."""
        evidence = np.logaddexp.reduce(self._log_sr, axis=(1, 2)) - math.log(_SCORES * len(_SHIFTS))
        leaders = self._log_cusum.reshape(len(self.columns), -1).argmax(axis=1)
        changes = self._restart.reshape(len(self.columns), -1)[np.arange(len(self.columns)), leaders]
        found = [
            self._drift(place, float(evidence[place]), int(changes[place]))
            for place in range(len(self.columns))
            if math.isfinite(evidence[place])
        ]
        return sorted(found, key=lambda drift: (-drift.log_evidence, drift.column))

    def to_dict(self) -> dict[str, Any]:
        """The moving part as JSON values."""
        return {
            "windows": self.windows,
            "log_sr": _json(self._log_sr),
            "log_cusum": _json(self._log_cusum),
            "restart": self._restart.ravel().tolist(),
            "block_sum": _json(self._block_sum),
            "block_count": self._block_count.tolist(),
            "block_first": self._block_first.tolist(),
            "alarm_from": self.alarm_from,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the moving part that `to_dict` gave; the windows are learnt beside it."""
        shape = self._log_sr.shape
        self.windows = int(state["windows"])
        self._log_sr, self._log_cusum = _floats(state["log_sr"], shape), _floats(state["log_cusum"], shape)
        self._block_sum = _floats(state["block_sum"], shape)
        self._restart = np.asarray(state["restart"], dtype=np.int64).reshape(shape)
        self._block_count = np.asarray(state["block_count"], dtype=np.int64)
        self._block_first = np.asarray(state["block_first"], dtype=np.int64)
        self.alarm_from = state["alarm_from"]

    def _bag(self, slot: Slot) -> list[_Window]:
        """The slot's windows, with those of neighbouring hours until there are enough."""
        place, weekend = slot
        bag = list(self._bags.get(slot, ()))
        for away in range(1, self._slots // 2 + 1):
            if len(bag) >= _ENOUGH:
                break
            for neighbour in {(place - away) % self._slots, (place + away) % self._slots}:
                bag += self._bags.get((neighbour, weekend), ())
        return bag

    def _log_bets(self, counts: Counts, rows: int, bag: list[_Window]) -> Floats:
        size = _level(rows)
        every = np.stack([counts, *(self._thin(window, size) for window in bag)]).astype(np.float64)
        scores = self._scores(every, every.sum(axis=0) - every)
        ranks = (scores >= scores[0] - _TIE).sum(axis=0)  # 1: the farthest of all; ties count against it
        bets: Floats = _log_e_values(len(every))[ranks - 1]
        return bets

    def _thin(self, window: _Window, size: int) -> Counts:
        """The window's counts, of `size` rows drawn from it where it holds more."""
        if window.rows <= size:
            return window.counts
        key = (window.number, size)
        if key not in self._thinned:
            rng = np.random.default_rng(key)
            drawn = [rng.multivariate_hypergeometric(column, size) for column in window.counts]
            self._thinned[key] = np.asarray(drawn, dtype=np.int32)
        return self._thinned[key]

    def _bet(self, number: int, bets: Floats) -> None:
        blocks = self._blocks
        self._close(self._block_count.astype(bool) & (self._block_first // blocks != number // blocks))
        self._block_first = np.where(self._block_count == 0, number, self._block_first)
        self._block_sum = np.logaddexp(self._block_sum, bets)
        self._block_count = self._block_count + 1
        self._close((number + 1) % blocks == 0)

    def _close(self, ended: NDArray[np.bool_]) -> None:
        """Let the blocks that have ended count."""
        if not ended.any():
            return
        mean = self._block_sum[ended] - np.log(self._block_count[ended])[:, None, None]
        cusum = self._log_cusum[ended]
        first = self._block_first[ended][:, None, None]
        self._restart[ended] = np.where(cusum <= 0, first, self._restart[ended])
        self._log_cusum[ended] = mean + np.maximum(cusum, 0.0)
        self._log_sr[ended] = mean + np.logaddexp(0.0, self._log_sr[ended])
        self._block_sum[ended], self._block_count[ended] = -np.inf, 0

    def _drift(self, place: int, evidence: float, change: int) -> ColumnDrift:
        windows = [window for window in self._recent if window.number >= change]
        if not windows:
            return ColumnDrift(self.columns[place], evidence, 0.0, "", change, False)
        counts: Floats = np.sum([window.counts for window in windows], axis=0, dtype=np.float64)
        expected: Floats = np.sum([w.before * (w.counts[0].sum() / w.before[0].sum()) for w in windows], axis=0)
        distance, up, _ = self._scores(counts, expected)[place].tolist()
        direction = "" if abs(up) < distance / 2 else "up" if up > 0 else "down"
        named = evidence >= self._log_threshold and distance >= self._min_effect
        return ColumnDrift(self.columns[place], evidence, distance, direction, change, named)


@cache
def _log_e_values(size: int) -> Floats:
    """The log e-value of each rank among `size` windows, for each shift that is looked for: exactly fair on ranks."""
    normal = NormalDist()
    scores = np.array([normal.inv_cdf((size - rank + 0.5) / size) for rank in range(1, size + 1)])
    bets: Floats = scores[:, None] * _SHIFTS
    bets -= np.log(np.exp(bets).mean(axis=0))
    return bets


def _level(rows: int) -> int:
    """The size that windows of the bag are thinned to: a step of sqrt 2 at or below `rows`, so that draws are kept."""
    return round(MIN_ROWS * 2 ** (math.floor(2 * math.log2(rows / MIN_ROWS) + 1e-9) / 2))


def _block_lengths(windows: Sequence[tuple[int, Slot]], means: Floats) -> NDArray[np.int64]:
    """For each column twice the lag at which the means, less those of their slot, no longer resemble each other."""
    slots = sorted({slot for _, slot in windows})
    places = np.array([slots.index(slot) for _, slot in windows])
    total = np.zeros((len(slots), means.shape[1]))
    np.add.at(total, places, means)
    rest = means - (total / np.bincount(places)[:, None])[places]
    spread = (rest**2).mean(axis=0)
    place_of = {number: place for place, (number, _) in enumerate(windows)}
    lengths = np.full(means.shape[1], _BLOCKS[-1], dtype=np.int64)
    for lag in _BLOCKS[::-1]:
        pairs = [(place, place_of[number + lag]) for number, place in place_of.items() if number + lag in place_of]
        first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        alike = (rest[first] * rest[second]).sum(axis=0) / np.maximum(spread * len(pairs), 1e-300)
        lengths = np.where(alike < _RESEMBLANCE, lag, lengths)
    return np.where(lengths > 1, np.minimum(2 * lengths, _BLOCKS[-1]), 1)  # so that neighbouring blocks hardly do


def _json(values: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.ravel().tolist()]


def _floats(stored: list[float | None], shape: tuple[int, ...]) -> Floats:
    return np.array([-np.inf if value is None else value for value in stored], dtype=np.float64).reshape(shape)
