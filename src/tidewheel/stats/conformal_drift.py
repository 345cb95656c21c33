"""Feature and prediction drift, window against windows of the same season slot, with one error rate for all features.

Called by the DataDrift and PredictionDrift monitors. It must never compare single rows: rows of an hour resemble
each other, and a row-level test with a million rows reports every rainy Tuesday. The unit here is the WINDOW (an
hour, say), and it is held against windows of the same slot (hour of day, or of week): season and within-window
correlation drop out.

One window, one feature: with the slot's reference windows it forms a bag of n + 1 sketches; each one's score is its
`shift_distance` to the others pooled (leave-one-out, same rule for all); the new one's rank is a conformal p-value;
power calibrators turn it into e-values; Shiryaev-Roberts sums R <- e (1 + R) look for a change at an unknown window.
Afterwards the window joins the bag, which makes successive p-values independent. The evidence is the AVERAGE of R
over features and calibrators, itself an e-detector whatever the dependence between features. So, all features
together:

    average windows until a false alarm >= 1/alpha,   P(false alarm within n windows) <= n alpha

Assumption: windows of one slot are exchangeable, and their past does not tell the future. Weather that lasts all day
makes the hours of a day resemble each other; then hand in `block` (the date): e-values of one block are averaged,
which holds under any dependence, and evidence moves once a block. `alpha` then counts blocks.

How long it takes, every window being the most extreme of its slot (p = 1/(n + 1), one feature of F moving), in
windows:

    n reference windows a slot        alpha 1e-4       1e-5       1e-6
    14              F = 1 / 20           14 / 19    18 / 22    21 / 26
    28              F = 1 / 20            9 / 12    11 / 14    13 / 16

(24 slots; `windows_needed` tells for others.) Drifted windows join the bag, so a drift that is not seen within a few
rounds of the slots becomes the norm. With a single slot and alpha = 1e-4, 28 references never suffice, 60 take 11
windows and 100 take 7: where there is no season, cut the reference into many windows.

A slot with fewer than `min_windows` references borrows those of its neighbours (1, 2, ... slots away, around the
clock). Windows should hold comparable numbers of rows: a window of few rows is farther from everything by chance
alone.

A feature is named when its own evidence is past 1/alpha and its effect (`shift`: binned W1 in reference deviations,
or total variation; pooled over the windows since its change, against the same slots' references) is at least
`min_effect`. There is an alarm when the total evidence is past 1/alpha and a feature is named.

Vovk, "Testing randomness online", Statistical Science 2021 (arXiv 1906.09256); Shin, Ramdas, Rinaldo 2024, as in
`e_detector`.

>>> import numpy as np
>>> from tidewheel.stats.reference_profile import profile_feature
>>> rng = np.random.default_rng(1)
>>> fare = profile_feature(rng.normal(10, 2, 5000))
>>> def hour(mean):
...     window = fare.empty(); window.add(rng.normal(mean, 2, 300)); return {"fare": window}
>>> drift = ConformalDrift({"fare": fare.bins}, alpha=1e-4, slots=24)
>>> for day in range(21):
...     for slot in range(24):
...         drift.add_reference(slot, hour(10 + np.sin(slot)))
>>> any(drift.update(slot, hour(10 + np.sin(slot))).alarm for slot in range(24))
False
>>> found = [drift.update(slot, hour(11 + np.sin(slot)), at=float(slot)) for slot in range(24)]
>>> first = next(reading for reading in found if reading.alarm)
>>> first.alarm_at, [f.feature for f in first.named], round(first.features[0].shift, 1)
(9.0, ['fare'], 0.5)
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np

from tidewheel.stats._checks import Floats, Ints, State, probability
from tidewheel.stats.conformal import KAPPAS, conformal_p, log_bets
from tidewheel.stats.feature_bins import FeatureBins
from tidewheel.stats.reference_profile import BinnedSketch, psi, shift_distance


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDrift:
    """One feature's part: its own log evidence, the last p-value, effect sizes since its change, and if it is named."""

    feature: str
    log_evidence: float
    p_value: float
    shift: float
    psi: float
    change_window: int | None
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReading:
    """What is known after a window. `features` has the strongest evidence first; times are the caller's (UTC seconds).

    `alarm` latches; alarm_at and change_at are those of the first alarm.
    """

    windows: int
    log_evidence: float
    log_threshold: float
    alarm: bool
    alarm_at: float | None
    change_at: float | None
    features: tuple[FeatureDrift, ...]

    @property
    def named(self) -> tuple[FeatureDrift, ...]:
        """The features that moved, with evidence and effect enough."""
        return tuple(feature for feature in self.features if feature.named)

    def to_dict(self) -> State:
        """Plain JSON values."""
        return asdict(self)


@dataclass(slots=True)
class _Window:
    """A recent window: per feature its counts, and what its slot's references made one expect."""

    number: int
    at: float | None
    counts: dict[str, Ints]
    expected: dict[str, Floats]


class ConformalDrift:
    """The detector over windows. Mutable, not thread-safe.

    min_windows: references a slot needs before it stops borrowing; max_windows: bag size at which windows stop joining;
    min_rows: a feature's window below it is not judged; min_effect: see above, unit reference deviations (or share);
    effect_windows: how many recent windows the effect size pools at most.
    """

    def __init__(
        self,
        bins: Mapping[str, FeatureBins],
        *,
        alpha: float,
        slots: int = 24,
        min_effect: float = 0.1,
        min_rows: int = 30,
        min_windows: int = 14,
        max_windows: int = 200,
        effect_windows: int = 24,
    ) -> None:
        if not bins:
            raise ValueError("no features to watch: give the FeatureBins of at least one")
        self.bins, self.names = dict(bins), tuple(bins)
        self.alpha, self.slots, self.min_effect, self.min_rows = (
            probability(alpha, "alpha"),
            slots,
            min_effect,
            min_rows,
        )
        self.min_windows, self.max_windows, self.effect_windows = min_windows, max_windows, effect_windows
        self._bags: dict[str, dict[int, list[Ints]]] = {name: {} for name in bins}
        self.reset()

    def reset(self) -> None:
        """Forget evidence and alarm, keep the references."""
        shape = (len(self.names), len(KAPPAS))
        self.windows = 0
        self._log_sr: Floats = np.full(shape, -np.inf)
        self._log_cusum: Floats = np.full(shape, -np.inf)
        self._restart: Ints = np.zeros(shape, dtype=np.int64)
        self._p_values: Floats = np.ones(len(self.names))
        self._recent: list[_Window] = []
        self._block: str | None = None
        self._block_bets: list[Floats] = []
        self._block_start = 0
        self._alarm: tuple[float | None, float | None] | None = None

    def add_reference(self, slot: int, window: Mapping[str, BinnedSketch]) -> None:
        """Add one window of the time that counts as normal (the training data, cut as the traffic will be)."""
        for name, sketch in self._checked(slot, window).items():
            if sketch.n >= self.min_rows:
                self._bags[name].setdefault(slot, []).append(sketch.counts)

    def update(
        self,
        slot: int,
        window: Mapping[str, BinnedSketch],
        *,
        uniform: float = 1.0,
        at: float | None = None,
        block: str | None = None,
    ) -> DriftReading:
        """Judge one closed window. `uniform` in [0, 1]: the randomiser of ties; `block`: windows that may depend."""
        window = self._checked(slot, window)
        if self._block_bets and block != self._block:
            self._close_block()
        bets, seen = np.zeros(self._log_sr.shape), _Window(self.windows, at, {}, {})
        for row, name in enumerate(self.names):
            sketch, bag = window.get(name), self._bag(name, slot)
            if sketch is None or sketch.n < self.min_rows or len(bag) < 2:
                continue
            self._p_values[row] = self._score(name, sketch.counts, bag, uniform)
            bets[row] = log_bets(float(self._p_values[row]))
            pooled = np.sum(bag, axis=0)
            seen.counts[name], seen.expected[name] = sketch.counts, pooled * (sketch.n / pooled.sum())
            if len(self._bags[name].get(slot, ())) < self.max_windows:
                self._bags[name].setdefault(slot, []).append(sketch.counts)
        self._recent = [*self._recent, seen][-self.effect_windows :]
        self._block_start = self.windows if not self._block_bets else self._block_start
        self._block, self._block_bets = block, [*self._block_bets, bets]
        self.windows += 1
        if block is None:
            self._close_block()
        return self._looked(at)

    def reading(self) -> DriftReading:
        """The present state of knowledge, without a new window."""
        features = sorted(self._features(), key=lambda f: (-f.log_evidence, f.feature))
        evidence = float(np.logaddexp.reduce(self._log_sr, axis=None) - math.log(self._log_sr.size))
        alarm_at, change_at = self._alarm or (None, None)
        return DriftReading(
            windows=self.windows,
            log_evidence=evidence,
            log_threshold=-math.log(self.alpha),
            alarm=self._alarm is not None,
            alarm_at=alarm_at,
            change_at=change_at,
            features=tuple(features),
        )

    def to_dict(self) -> State:
        """Plain JSON values, references included; a detector made from them goes on exactly as this one would."""
        settings = ("alpha", "slots", "min_effect", "min_rows", "min_windows", "max_windows", "effect_windows")
        return {
            "bins": {name: bins.to_dict() for name, bins in self.bins.items()},
            "settings": {name: getattr(self, name) for name in settings},
            "bags": {
                name: {str(slot): [counts.tolist() for counts in bag] for slot, bag in bags.items()}
                for name, bags in self._bags.items()
            },
            "windows": self.windows,
            "log_sr": _json(self._log_sr),
            "log_cusum": _json(self._log_cusum),
            "restart": self._restart.tolist(),
            "p_values": self._p_values.tolist(),
            "recent": [_window_to_dict(window) for window in self._recent],
            "block": [self._block, self._block_start, [bets.tolist() for bets in self._block_bets]],
            "alarm": None if self._alarm is None else list(self._alarm),
        }

    @classmethod
    def from_dict(cls, state: State) -> Self:
        """The inverse of `to_dict`."""
        drift = cls({n: FeatureBins.from_dict(b) for n, b in state["bins"].items()}, **state["settings"])
        for name, bags in state["bags"].items():
            drift._bags[name] = {int(s): [np.asarray(c, dtype=np.int64) for c in bag] for s, bag in bags.items()}
        drift.windows = int(state["windows"])
        drift._log_sr, drift._log_cusum = _floats(state["log_sr"]), _floats(state["log_cusum"])
        drift._restart = np.asarray(state["restart"], dtype=np.int64)
        drift._p_values = np.asarray(state["p_values"], dtype=np.float64)
        drift._recent = [_window_from_dict(window) for window in state["recent"]]
        drift._block, drift._block_start, bets = state["block"]
        drift._block_bets = [np.asarray(one, dtype=np.float64) for one in bets]
        drift._alarm = None if state["alarm"] is None else (state["alarm"][0], state["alarm"][1])
        return drift

    def _checked(self, slot: int, window: Mapping[str, BinnedSketch]) -> dict[str, BinnedSketch]:
        if not 0 <= slot < self.slots:
            raise ValueError(f"slot must lie in 0..{self.slots - 1}, got {slot}")
        for name, sketch in window.items():
            if name in self.bins and sketch.bins != self.bins[name]:
                raise ValueError(f"window of {name!r} is sketched on other bins; start it from the reference profile")
        return {name: sketch for name, sketch in window.items() if name in self.bins}

    def _bag(self, name: str, slot: int) -> list[Ints]:
        """The slot's windows, with neighbours' until there are enough."""
        bags, bag = self._bags[name], list(self._bags[name].get(slot, ()))
        for away in range(1, self.slots // 2 + 1):
            if len(bag) >= self.min_windows:
                break
            for neighbour in {(slot - away) % self.slots, (slot + away) % self.slots}:
                bag += bags.get(neighbour, ())
        return bag

    def _score(self, name: str, counts: Ints, bag: list[Ints], uniform: float) -> float:
        every = np.vstack([counts, *bag])
        scores = shift_distance(self.bins[name], every, every.sum(axis=0) - every)
        return conformal_p(new=float(scores[0]), others=scores[1:], uniform=uniform)

    def _close_block(self) -> None:
        bets = np.logaddexp.reduce(np.stack(self._block_bets), axis=0) - math.log(len(self._block_bets))
        fresh = self._log_cusum <= 0  # a restart here leads what went before
        self._restart = np.where(fresh, self._block_start, self._restart)
        self._log_cusum = bets + np.maximum(self._log_cusum, 0.0)
        self._log_sr = bets + np.logaddexp(0.0, self._log_sr)
        self._block_bets = []

    def _features(self) -> list[FeatureDrift]:
        evidence = np.logaddexp.reduce(self._log_sr, axis=1) - math.log(len(KAPPAS))
        leaders = self._log_cusum.argmax(axis=1)
        found = []
        for row, name in enumerate(self.names):
            change = int(self._restart[row, leaders[row]]) if self.windows else None
            shift, index = self._effect(name, change or 0)
            named = bool(evidence[row] >= -math.log(self.alpha)) and shift >= self.min_effect
            found.append(
                FeatureDrift(
                    feature=name,
                    log_evidence=float(evidence[row]),
                    p_value=float(self._p_values[row]),
                    shift=shift,
                    psi=index,
                    change_window=change,
                    named=named,
                )
            )
        return found

    def _effect(self, name: str, since: int) -> tuple[float, float]:
        windows = [w for w in self._recent if w.number >= since and name in w.counts]
        if not windows:
            return 0.0, 0.0
        counts = np.sum([w.counts[name] for w in windows], axis=0)
        expected = np.sum([w.expected[name] for w in windows], axis=0)
        return float(shift_distance(self.bins[name], counts, expected)), psi(expected, counts)

    def _looked(self, at: float | None) -> DriftReading:
        reading = self.reading()
        if self._alarm is None and reading.log_evidence >= reading.log_threshold and reading.named:
            begun = reading.named[0].change_window
            change_at = next((w.at for w in self._recent if begun is not None and w.number >= begun), None)
            self._alarm = (at, change_at)
            return self.reading()
        return reading


def _window_to_dict(window: _Window) -> State:
    counts = {name: counts.tolist() for name, counts in window.counts.items()}
    expected = {name: counts.tolist() for name, counts in window.expected.items()}
    return {"number": window.number, "at": window.at, "counts": counts, "expected": expected}


def _window_from_dict(state: State) -> _Window:
    counts = {name: np.asarray(c, dtype=np.int64) for name, c in state["counts"].items()}
    expected = {name: np.asarray(c, dtype=np.float64) for name, c in state["expected"].items()}
    return _Window(int(state["number"]), state["at"], counts, expected)


def _json(values: Floats) -> list[list[float | None]]:
    return [[float(v) if math.isfinite(v) else None for v in row] for row in values]


def _floats(rows: list[list[float | None]]) -> Floats:
    return np.array([[-np.inf if v is None else v for v in row] for row in rows], dtype=np.float64)
