"""`tw.Loop` and its parts, as a project file writes them. Declarations only: nothing here touches a store.

A project file is imported to learn what it declares; every `Loop(...)` made meanwhile is collected, whether or not it
is bound to a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cronsim import CronSim, CronSimError

from tidewheel.base.errors import InvalidInput
from tidewheel.base.units import parse_duration
from tidewheel.data import Dataset
from tidewheel.features import FeatureSet
from tidewheel.monitoring import Monitor
from tidewheel.registry import Gate
from tidewheel.rollout import Canary
from tidewheel.serving import DeclaredOptions


@dataclass(frozen=True, slots=True)
class Label:
    """The truth that comes later.

    Args:
        name: the key under which it is posted (`{"accepted": 1}`), and its column in the loop's rows.
        delay: how long after the prediction it is usually known.
        prediction: the model output that predicts it; default: the last output of the signature.
    """

    name: str
    delay: str = "0s"
    prediction: str | None = None

    def __post_init__(self) -> None:
        if self.delay != "0s":
            parse_duration(self.delay)


@dataclass(frozen=True, slots=True)
class Need:
    """Why a loop wants a new model: a sentence, the alerts behind it, and since when the world has been different."""

    reason: str
    alerts: tuple[str, ...] = ()
    change_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a trigger may look at: the time, when the champion was trained, when a turn was last begun (or that, if it
    is later), and the open alerts of the champion."""

    now: datetime
    trained_at: datetime
    tried_at: datetime
    alerts: Sequence[AlertFacts]


class AlertFacts(Protocol):
    """The part of an alert that a trigger reads."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def change_at(self) -> datetime | None: ...


class Trigger(Protocol):
    """Decides, from a situation, whether the loop needs a new model. Pure."""

    def need(self, situation: Situation) -> Need | None:
        """The need, or None when there is none."""


@dataclass(frozen=True, slots=True)
class OnAlert:
    """Retrain when a monitor of one of these kinds has fired."""

    kinds: tuple[str, ...]

    def need(self, situation: Situation) -> Need | None:
        alerts = [alert for alert in situation.alerts if alert.kind in self.kinds]
        if not alerts:
            return None
        changes = [alert.change_at for alert in alerts if alert.change_at is not None]
        # The latest estimate: rows from before the change cost more than a few rows lost after it.
        return Need(alerts[0].summary, tuple(alert.id for alert in alerts), max(changes, default=None))


@dataclass(frozen=True, slots=True)
class Cron:
    """Retrain at fixed times (UTC), written as a cron expression; once a time, whatever comes of it."""

    expression: str

    def need(self, situation: Situation) -> Need | None:
        due = next(iter(CronSim(self.expression, situation.tried_at)))
        return (
            Need(f"the schedule {self.expression!r} was due at {due:%Y-%m-%d %H:%M} UTC")
            if due <= situation.now
            else None
        )


@dataclass(frozen=True, slots=True)
class MaxAge:
    """Retrain when the champion's training lies this far back.

    A candidate that was refused leaves the champion as old as it was: the next try waits a quarter of the age.
    """

    age: str

    def need(self, situation: Situation) -> Need | None:
        age = parse_duration(self.age)
        too_old = situation.now - situation.trained_at > age and situation.now - situation.tried_at > age / 4
        return Need(f"the champion was trained more than {self.age} ago") if too_old else None


def on_alert(*kinds: str) -> OnAlert:
    """Retrain on alerts of these monitor kinds; by default on those that mean the model has become wrong (concept and
    bias). Feature drift alone mostly reports seasons, so it alerts but does not retrain unless named here."""
    return OnAlert(kinds or ("concept", "bias"))


def cron(expression: str) -> Cron:
    """Retrain on a schedule, as in ``tw.cron("0 3 * * *")`` (UTC).

    Raises:
        InvalidInput: if it is not a cron expression.
    """
    try:
        CronSim(expression, datetime(2026, 1, 1))
    except CronSimError as error:
        raise InvalidInput(f"{expression!r} is not a cron expression: {error}.", fix="As in '0 3 * * *'.") from None
    return Cron(expression)


def max_age(age: str) -> MaxAge:
    """Retrain when the champion's training lies this far back, as in ``tw.max_age("30d")``."""
    parse_duration(age)
    return MaxAge(age)


_collecting: list[Loop] = []


class Loop:
    """The declaration that ties endpoint, features, pipeline, gates, rollout and monitors together.

    Args:
        name: the loop's name.
        endpoint: the stable name that traffic arrives at.
        features: the feature set that the model uses.
        pipeline: a `tw.pipeline` that returns a model version. It is given those of `since`, `until` and `window` that
            it takes: train on rows with ``since <= time < until`` (ISO 8601), or on the `window` before `until` when
            `since` is None.
        label: the truth and how late it comes.
        monitors: what is watched while the champion serves.
        retrain: what calls for a new model (`tw.on_alert()`, `tw.cron(…)`, `tw.max_age(…)`).
        gates: what a candidate must pass before it may meet traffic.
        rollout: how it meets traffic.
        serving: how the endpoint is served; what it does not name is left as it is.
        rows: the dataset whose rows carry the label; default: the only source of the features' views.
        window: how far back to train when no change point is known.
        min_rows: labelled rows after a change point without which no training starts.
        holdout: the newest part of the rows, kept from training for the gates: a share of them, as 0.2, or those of
            so long before now, as "7d", but never more than half of the rows since a change.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        features: FeatureSet,
        pipeline: Callable[..., Any],
        label: Label,
        monitors: Sequence[Monitor] = (),
        retrain: Sequence[Trigger] = (OnAlert(("concept", "bias")),),
        gates: Sequence[Gate] = (),
        rollout: Canary | None = None,
        serving: DeclaredOptions | None = None,
        rows: Dataset | None = None,
        window: str = "28d",
        min_rows: int = 1000,
        holdout: float | str = 0.2,
    ) -> None:
        if isinstance(holdout, str):
            parse_duration(holdout)
        elif not 0 < holdout < 1:
            raise InvalidInput(f"The loop {name!r} holds out {holdout}.", fix="Give a part between 0 and 1, as 0.2.")
        if min_rows < 1:
            raise InvalidInput(f"The loop {name!r} trains on {min_rows} rows.", fix="Ask for at least 1 as min_rows.")
        parse_duration(window)
        self.name = name
        self.endpoint = endpoint
        self.features = features
        self.pipeline = pipeline
        self.label = label
        self.monitors = tuple(monitors)
        self.retrain = tuple(retrain)
        self.gates = tuple(gates)
        self.rollout = rollout or Canary()
        self.serving = serving or DeclaredOptions()
        self.rows = rows or _only_source(name, features)
        self.window = window
        self.min_rows = min_rows
        self.holdout = holdout
        _collecting.append(self)

    def need(self, situation: Situation) -> Need | None:
        """The first need that one of the triggers sees."""
        return next((need for trigger in self.retrain if (need := trigger.need(situation))), None)


@contextmanager
def collecting() -> Iterator[list[Loop]]:
    """Collect the loops that are declared within the block."""
    _collecting.clear()
    found: list[Loop] = []
    try:
        yield found
    finally:
        found.extend(_collecting)
        _collecting.clear()


def _only_source(name: str, features: FeatureSet) -> Dataset:
    sources = {view.source.name: view.source for view in features.views}
    if len(sources) != 1:
        raise InvalidInput(
            f"The loop {name!r} does not say which dataset carries its labels; its features read {sorted(sources)}.",
            fix="Add rows=tw.dataset(…).",
        )
    return next(iter(sources.values()))
