"""The four delivery metrics, computed from journal entries alone. Pure.

Deployment frequency, lead time, change failure rate and time to recover, as in Forsgren, Humble, Kim, "Accelerate",
2018, read for models: a deployment is a promotion, a failed change a rollout that was rolled back (before or after its
promotion), and a recovery what ends the time in which the endpoint's model is known to be wrong. Times are the
platform's own, so a replayed history has the metrics of the history. Called by `Delivery.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from tidewheel.delivery.records import DeliveryMetrics, Spread
from tidewheel.storage import Entry

KINDS = ("rollout.rollout.promoted", "rollout.rollout.rolled_back", "monitoring.alert.raised")
_DAY = timedelta(days=1)


def compute(
    entries: Sequence[Entry],
    registered: Mapping[str, datetime],
    trained_on: Mapping[str, datetime],
    *,
    since: datetime | None,
    until: datetime | None,
    endpoint: str | None,
) -> DeliveryMetrics:
    """The metrics of a span of time.

    Args:
        entries: the entries of `KINDS`, oldest first, of all time (what ended an alert may lie after the span).
        registered: when each version (id) was registered.
        trained_on: when the newest dataset commit behind each version was made.
        since, until: the span, `since <= at < until`; None: from the first entry, to the last.
        endpoint: only this endpoint.
    """
    mine = [entry for entry in entries if endpoint is None or entry.data.get("endpoint") == endpoint]
    here = [entry for entry in mine if (not since or entry.at >= since) and (not until or entry.at < until)]
    promoted = [entry for entry in here if entry.kind == "rollout.rollout.promoted"]
    rolled_back = {entry.subject for entry in here if entry.kind == "rollout.rollout.rolled_back"}
    ended = rolled_back | {entry.subject for entry in promoted}
    # An alert of no endpoint, such as that of a full disk, is no model's failure, and no promotion ends it.
    alerts = [each for each in here if each.kind == "monitoring.alert.raised" and each.data.get("endpoint")]
    recoveries = [_recovery(alert, mine) for alert in alerts]
    days = _days(mine, since, until)
    return DeliveryMetrics(
        since=since,
        until=until,
        endpoint=endpoint,
        days=days,
        promotions=len(promoted),
        promotions_per_day=len(promoted) / days if days else 0.0,
        lead_time=_spread(_waits(promoted, registered)),
        data_lead_time=_spread(_waits(promoted, trained_on)),
        rolled_back=len(rolled_back),
        change_failure_rate=len(rolled_back) / len(ended) if ended else None,
        recovery_time=_spread(wait for wait in recoveries if wait is not None),
        open_alerts=sum(wait is None for wait in recoveries),
    )


def _recovery(alert: Entry, entries: Sequence[Entry]) -> timedelta | None:
    """How long an alert waited for a new champion, or for the old one's return."""
    for entry in entries:
        returned = entry.kind == "rollout.rollout.rolled_back" and entry.data.get("from_state") == "promoted"
        same_place = entry.data.get("endpoint") == alert.data.get("endpoint")
        if entry.seq > alert.seq and same_place and (returned or entry.kind == "rollout.rollout.promoted"):
            return entry.at - alert.at
    return None


def _waits(promoted: Iterable[Entry], began: Mapping[str, datetime]) -> list[timedelta]:
    found = [(entry.at, began.get(str(entry.data.get("candidate_version")))) for entry in promoted]
    return [at - start for at, start in found if start is not None]


def _days(entries: Sequence[Entry], since: datetime | None, until: datetime | None) -> float:
    if not entries and not (since and until):
        return 0.0
    begin, end = since or entries[0].at, until or entries[-1].at
    return max((end - begin) / _DAY, 1.0)  # a shorter span would turn one promotion into a frequency


def _spread(waits: Iterable[timedelta]) -> Spread:
    seconds = sorted(wait.total_seconds() for wait in waits)
    return Spread(len(seconds), median(seconds) if seconds else None, seconds[-1] if seconds else None)
