"""Chooses how a version is run: converts, compares, times, keeps the fastest runtime that answers as the model does.

Called where a model is packaged: by `log_model` in the process that trained it, by `optimize` in a process of its own.
What it finds is written beside the model's files, chosen or not, so that the version tells why it runs as it does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidewheel.base.errors import GateSaidNo, InvalidInput, TidewheelError, Unavailable
from tidewheel.registry.formats import Predictor, open_format
from tidewheel.registry.packaging_facts import measure
from tidewheel.registry.runtimes import CHOICE, FOLDER, NATIVE, RUNTIMES, open_runtime
from tidewheel.registry.runtimes.agreement import Agreement, TrialRows, compare
from tidewheel.registry.runtimes.quantization import judge, passes
from tidewheel.registry.runtimes.records import Candidate, GateResult, Quantize, RuntimeChoice, Speed, Tolerance

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is wanted: the fastest (`auto`), one runtime by name if it agrees, or a quantised model if its gate passes.

    `labels` are what was true of each row of the sample, for a gate that scores.
    """

    runtime: str = AUTO
    tolerance: Tolerance = field(default_factory=Tolerance)
    quantize: Quantize | None = None
    labels: NDArray[np.float64] | None = None

    def candidates(self) -> Sequence[str]:
        """The runtimes to try.

        Raises:
            InvalidInput: if there is no such runtime, or quantisation is asked for in another's name.
        """
        lossy = f"onnx_{self.quantize.kind}" if self.quantize else None
        if self.runtime == AUTO:
            return [lossy] if lossy else [name for name in RUNTIMES if not open_runtime(name).lossy]
        if open_runtime(self.runtime).lossy and self.runtime != lossy:
            raise InvalidInput(
                f"{self.runtime} changes the model.", fix='Ask for it with a gate: quantize=tw.Quantize("int8").'
            )
        if lossy and self.runtime != lossy:
            raise InvalidInput(f"A quantised model runs on {lossy}, not on {self.runtime}.", fix=f"Leave {AUTO}.")
        return [self.runtime]


def choose_runtime(format_name: str, folder: Path, sample: NDArray[np.float64], asked: Asked) -> RuntimeChoice:
    """Choose, and leave in `folder`, beside the model's files, those of the chosen runtime and `runtime/choice.json`.

    Args:
        format_name: the format of the model's files.
        folder: the model's files, checked.
        sample: rows that it should answer, (rows, features); at least one.
        asked: what is wanted.

    Raises:
        InvalidInput: if there are no rows, or the gate cannot judge by those that there are.
        GateSaidNo: if one runtime was asked for and does not agree, or a quantised model is too much worse.
    """
    names = asked.candidates()
    if sample.ndim != 2 or len(sample) == 0:
        raise InvalidInput(
            "A runtime is chosen by comparing answers, and there are no rows to answer.",
            fix="Log the model with its training rows: rows=….",
        )
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    model = _Model.of(format_name, folder, sample, asked)
    found = [model.examine(name) for name in names]
    choice = _decide(model, found)
    for name in names:
        if name != choice.runtime:
            shutil.rmtree(folder / FOLDER / name, ignore_errors=True)
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / CHOICE).write_bytes(msgspec.json.format(msgspec.json.encode(choice), indent=1))
    return choice


@dataclass(frozen=True, slots=True)
class _Examined:
    """A candidate; what its gate said if it has one; whether nothing but its speed may speak against it (`fit`)."""

    candidate: Candidate
    gate: GateResult | None = None
    fit: bool = False
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answered:
    """Rows of a kind, and the model's own answers to them."""

    kind: str
    rows: NDArray[np.float64]
    answers: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Model:
    """The model as it is, to which each candidate is compared: what it answers, and which kinds of gaps it refuses."""

    format_name: str
    folder: Path
    asked: Asked
    sample: NDArray[np.float64]
    whole: tuple[_Answered, ...]
    gapped: tuple[_Answered, ...]
    refuses: tuple[str, ...]
    speed: Speed
    size_bytes: int

    @classmethod
    def of(cls, format_name: str, folder: Path, sample: NDArray[np.float64], asked: Asked) -> _Model:
        predictor, speed = _timed(lambda: open_format(format_name).load(folder), sample)
        trial = TrialRows.of(sample)
        with np.errstate(all="ignore"):
            whole = [_Answered(kind, rows, predictor.predict(rows)) for kind, rows in trial.whole.items()]
            gapped = [_answered(predictor, kind, rows) for kind, rows in trial.gapped.items()]
        taken = tuple(each for each in gapped if each)
        return cls(
            format_name=format_name,
            folder=folder,
            asked=asked,
            sample=sample,
            whole=tuple(whole),
            gapped=taken,
            refuses=tuple(set(trial.gapped) - {each.kind for each in taken}),
            speed=speed,
            size_bytes=_bytes_of(folder),
        )

    def examine(self, name: str) -> _Examined:
        """Convert the model and look at the outcome, as far as it is worth it."""
        runtime, into = open_runtime(name), self.folder / FOLDER / name
        into.mkdir(parents=True)
        try:
            runtime.convert(self.format_name, self.folder, into)
            predictor, speed = _timed(lambda: runtime.load(into), self.sample)
        except TidewheelError as error:
            why = f"{error.message} {error.fix}".replace(f"{self.folder}/", "").strip()
            return _Examined(Candidate(runtime=name, why=why, not_installed=isinstance(error, Unavailable)))
        # A lossy runtime may well answer another number; only whether it is one is looked at, by the gate.
        agreement = self._compare(predictor, self.whole if runtime.lossy else (*self.whole, *self.gapped))
        candidate = Candidate(
            runtime=name,
            speed=speed,
            max_difference=agreement.max_difference,
            rows=agreement.rows,
            rows_apart=agreement.apart,
            size_bytes=_bytes_of(into),
        )
        return self._gated(candidate, predictor) if runtime.lossy else self._agreeing(candidate)

    def _compare(self, predictor: Predictor, kinds: Sequence[_Answered]) -> Agreement:
        with np.errstate(all="ignore"):  # what 32 bits cannot hold is infinite there, and then compared
            found = [compare(each.answers, predictor.predict(each.rows), self.asked.tolerance) for each in kinds]
        apart, furthest = sum(each.apart for each in found), max(each.max_difference for each in found)
        return Agreement(sum(each.rows for each in found), apart, furthest)

    def _agreeing(self, candidate: Candidate) -> _Examined:
        if candidate.rows_apart == 0:
            return _Examined(candidate, fit=True)
        why = f"{candidate.rows_apart:,} of {candidate.rows:,} rows lie further from the model's answers than tolerated"
        return _Examined(replace(candidate, why=f"{why}, by up to {candidate.max_difference:.3g}"))

    def _gated(self, candidate: Candidate, predictor: Predictor) -> _Examined:
        asked, own = self.asked.quantize, open_format(self.format_name).load(self.folder)
        assert asked is not None  # Asked.candidates gives no lossy runtime without
        gate = judge(asked, own.predict(self.sample), predictor.predict(self.sample), self.asked.labels)
        said = f"{gate.metric} is {gate.quantized:.6g} where the model's own is {gate.own:.6g}, over {gate.rows:,} rows"
        verdict = f"{said}, and may be worse by {gate.at_most:g}"
        return _Examined(replace(candidate, why=verdict), gate, passes(gate), self._hides(predictor))

    def _hides(self, predictor: Predictor) -> tuple[str, ...]:
        """The kinds of gaps to which the model answers with no number, and a lossy runtime with some number."""
        with np.errstate(all="ignore"):
            others = [(each, predictor.predict(each.rows)) for each in self.gapped]
        return tuple(each.kind for each, other in others if (np.isfinite(other) & ~np.isfinite(each.answers)).any())


def _decide(model: _Model, found: Sequence[_Examined]) -> RuntimeChoice:
    """The fastest of those that are fit; where nobody insists on one, only if it is faster by the margin.

    Raises:
        GateSaidNo: if one was asked for by name, or by quantisation, and is not fit.
        Unavailable: if what converts to it is not installed.
    """
    asked, own_us = model.asked, model.speed.row_us
    insisted = asked.runtime != AUTO or asked.quantize is not None
    best = min((each for each in found if each.fit), key=_row_us, default=None)
    if best is None and insisted:
        raise _refusal(found[0].candidate)
    enough_us = own_us * (1 - asked.tolerance.margin)
    chosen = best if best is not None and (insisted or _row_us(best) <= enough_us) else None
    why = "" if chosen else "no other runtime agrees and is faster by the margin"
    own = Candidate(runtime=NATIVE, chosen=chosen is None, why=why, speed=model.speed, size_bytes=model.size_bytes)
    others = [_told(each, each is chosen, own_us, enough_us) for each in found]
    return RuntimeChoice(
        runtime=chosen.candidate.runtime if chosen else NATIVE,
        tolerance=asked.tolerance,
        candidates=(own, *others),
        refuses=tuple(sorted({*model.refuses, *(chosen.hides if chosen else ())})),
        gate=chosen.gate if chosen else None,
    )


def _refusal(candidate: Candidate) -> TidewheelError:
    """The error of a candidate that was asked for and is not fit."""
    if candidate.not_installed:
        return Unavailable(f"{candidate.runtime} cannot be tried here.", fix=candidate.why)
    compared = candidate.rows > 0
    return GateSaidNo(
        f"{candidate.runtime} may not run this model: {candidate.why.rstrip('.')}.",
        fix="Allow more, if that is good enough, or keep the model's own runtime."
        if compared
        else "Keep the model's own runtime.",
    )


def _told(examined: _Examined, chosen: bool, own_us: float, enough_us: float) -> Candidate:
    """The candidate with the reason why it was chosen or passed over."""
    candidate = examined.candidate
    if not examined.fit:
        return candidate
    row_us = _row_us(examined)
    if chosen:
        why = f"a row costs {row_us:.1f} us, and {own_us:.1f} us by the model's own runtime"
        return replace(candidate, chosen=True, why=f"{candidate.why}; {why}" if candidate.why else why)
    slow = f"a row costs {row_us:.1f} us, and would have to cost {enough_us:.1f} us to be worth it"
    return replace(candidate, why=slow if row_us > enough_us else "another that agrees is faster")


def _row_us(examined: _Examined) -> float:
    return examined.candidate.speed.row_us if examined.candidate.speed else float("inf")


def _timed(load: Callable[[], Predictor], sample: NDArray[np.float64]) -> tuple[Predictor, Speed]:
    predictor, figures = measure(load, sample)
    return predictor, Speed(one_us=figures["latency_p50_us"], batch_row_us=figures["batch_row_us"])


def _answered(predictor: Predictor, kind: str, rows: NDArray[np.float64]) -> _Answered | None:
    """A model's answers, or None if it refuses the rows: scikit-learn's checks raise ValueError, ours InvalidInput."""
    try:
        return _Answered(kind, rows, predictor.predict(rows))
    except (ValueError, TidewheelError):
        return None


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
