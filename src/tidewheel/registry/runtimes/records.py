"""The nouns of choosing a runtime: what is asked, what was found of each candidate, what was chosen. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from tidewheel.base.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an answer may lie from the model's own, and how much faster a runtime must be to be worth it.

    An answer agrees if |answer - own| <= absolute + relative * |own|. `margin` is a share of the time for a row.
    """

    absolute: float = 1e-5
    relative: float = 1e-5
    margin: float = 0.1

    def __post_init__(self) -> None:
        if not (self.absolute >= 0 and self.relative >= 0 and 0 <= self.margin < 1):
            raise InvalidInput(
                f"Within {self.absolute} + {self.relative} * |answer|, and faster by {self.margin}, has no meaning.",
                fix="Give tolerances of zero or more, and a margin from 0 up to 1.",
            )


@dataclass(frozen=True, slots=True)
class Quantize:
    """Ask for smaller numbers in the model, if that costs at most so much of its quality: `tw.Quantize("int8")`.

    Attributes:
        kind: int8: the weights of matrix products as 8-bit integers, their inputs scaled to 8 bits at each call.
        metric: `difference`, the mean absolute difference between the answers of both; or a metric of `tw`'s gates
            (log_loss, brier, accuracy, auc, rmse, mae…), which needs labelled rows.
        at_most: how much the metric may be worse than the model's own.
        label: the column of the rows that says what was true; the first output is what predicts it.
    """

    kind: str = "int8"
    _: KW_ONLY
    metric: str = "difference"
    at_most: float = 0.005
    label: str = ""

    def __post_init__(self) -> None:
        if self.kind != "int8":
            raise InvalidInput(f"There is no quantisation to {self.kind!r}.", fix='Ask for "int8".')
        if not self.at_most >= 0:
            raise InvalidInput(f"A metric cannot be worse by at most {self.at_most}.", fix="Give zero or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What answering costs on the machine that packaged the model, in microseconds: medians.

    Attributes:
        one_us: a row alone.
        batch_row_us: a row among 64.
        row_us: the mean of both, by which runtimes are compared: half the traffic comes alone, half in batches.
    """

    one_us: float
    batch_row_us: float

    @property
    def row_us(self) -> float:
        return (self.one_us + self.batch_row_us) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to run the model: whether it was chosen and why, in a sentence, and what was found before that was clear.

    `max_difference` is the largest absolute difference from the model's own answers, over `rows` rows of which
    `rows_apart` lie further than the tolerance. `not_installed`: it could not be tried for want of its converter.
    """

    runtime: str
    chosen: bool = False
    why: str = ""
    speed: Speed | None = None
    max_difference: float | None = None
    rows: int = 0
    rows_apart: int = 0
    size_bytes: int = 0
    not_installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What quantisation did to the metric: the model's own value, the quantised one's, and how many rows said so."""

    metric: str
    own: float
    quantized: float
    worse_by: float
    at_most: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """The runtime of a version and how it was chosen.

    `refuses` says which of `missing` and `infinite` values the model itself refuses, so that its runtime does too.
    """

    runtime: str
    tolerance: Tolerance
    candidates: tuple[Candidate, ...]
    refuses: tuple[str, ...] = ()
    gate: GateResult | None = None

    @property
    def chosen(self) -> Candidate:
        """The candidate that was chosen."""
        return next(each for each in self.candidates if each.chosen)
