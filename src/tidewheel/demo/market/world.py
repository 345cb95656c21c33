"""The market as a whole: it asks for prices, answers them, and keeps the truth to itself.

`history` is the past under the incumbent's rule; `quotes` is live traffic in time order; `outcome` is what came of a
price. All is drawn from the seed and the hour alone, so the same world asks the same questions whatever it is
answered; only the number of free drivers follows from the answers. Never does I/O.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from tidewheel.demo.market.arrivals import Arrivals, HourOfRequests
from tidewheel.demo.market.city import CENTRE_KM, ZONE_NAMES
from tidewheel.demo.market.competitor import Competitor
from tidewheel.demo.market.drivers import DriverPool, ride_minutes
from tidewheel.demo.market.history import past_hour
from tidewheel.demo.market.quotes import Hidden, Outcome, Quote
from tidewheel.demo.market.riders import Riders
from tidewheel.demo.market.settlement import answer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STARTS_AT = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DRIVERS_PER_REQUEST = 0.35  # on shift, for each request expected in an hour; about 0.15 of them are driving
_WARM_UP_H = 2  # under the incumbent's rule, so that live traffic starts with rides under way
_MINUTE = timedelta(minutes=1)
_ZONE_INDEX = {name: index for index, name in enumerate(ZONE_NAMES)}
_CENTRE_KM = CENTRE_KM.tolist()


class World:
    """One seeded market. History ends, and live traffic starts, at `starts_at` (a whole hour, UTC).

    `shift_at` is when the competitor launches; None: it never does. Of the quotes, `explored_share` carry a random
    price in `offered`. For one thread.
    """

    def __init__(
        self,
        seed: int,
        shift_at: datetime | None = None,
        *,
        starts_at: datetime = STARTS_AT,
        quotes_per_hour: float = 400.0,
        explored_share: float = 0.05,
        competitor: Competitor | None = None,
        riders: Riders | None = None,
    ) -> None:
        self.starts_at = starts_at
        self._shift_s = float("inf") if shift_at is None else (shift_at - EPOCH).total_seconds()
        self._arrivals = Arrivals(
            seed,
            quotes_per_hour=quotes_per_hour,
            explored_share=explored_share,
            competitor=competitor or Competitor(),
            riders=riders or Riders(),
        )
        self._start_hour = int((starts_at - EPOCH).total_seconds()) // 3600
        self._minute = self._start_hour * 60  # the next minute of live traffic to be asked for
        self._fleet_now = self._fleet(self._start_hour)
        self._pool = DriverPool(self._fleet(self._start_hour - _WARM_UP_H))
        self._past_hours(self._start_hour - _WARM_UP_H, self._pool)
        self._to_come: list[_Request] = []  # the rest of the hour under way, latest first

    def history(self, days: float) -> dict[str, np.ndarray]:
        """Quotes of the `days` before `starts_at`, priced by the incumbent's rule, as columns in time order.

        Always the same for a seed, whatever live traffic has done; `requested_at` and `known_at` are UTC.
        """
        first_hour = self._start_hour - round(days * 24)
        hours = self._past_hours(first_hour, DriverPool(self._fleet(first_hour)))
        return {name: np.concatenate([hour[name] for hour in hours]) for name in hours[0]}

    def quotes(self, until: datetime) -> list[Quote]:
        """Live quotes from where the last call ended up to `until` (a whole minute, excluded), in time order.

        Free drivers are counted at the minute of the quote, less the rides accepted before this call: ask for a
        few minutes at a time, or riders will be quoted with drivers that are gone.
        """
        last_minute = int((until - EPOCH).total_seconds()) // 60
        quotes: list[Quote] = []
        while self._minute < last_minute:
            quotes.extend(self._minute_of_quotes())
            self._pool.advance(self._fleet_now)
            self._minute += 1
        return quotes

    def outcome(self, quote: Quote, multiplier: float) -> Outcome:
        """What the rider did at this price; a ride driven takes its driver out of the shared pool.

        To ask the same quote again at another price without moving drivers, use `settlement.answer`.
        """
        outcome = answer(quote, multiplier)
        if outcome.driven:
            asked_minute = (quote.requested_at - self.starts_at) // _MINUTE + _WARM_UP_H * 60
            ride_min = ride_minutes(np.array([quote.base_fare]))
            self._pool.take(
                *(np.array([asked_minute]), np.array([_ZONE_INDEX[quote.zone]]), np.array([quote.hidden.destination])),
                ride_min,
            )
        return outcome

    def _minute_of_quotes(self) -> list[Quote]:
        hour, minute = divmod(self._minute, 60)
        if minute == 0:
            self._fleet_now = self._fleet(hour)
            self._to_come = _requests_latest_first(self._requests(hour))
        free = self._pool.available().tolist()
        starts_at = EPOCH + timedelta(hours=hour)
        quotes: list[Quote] = []
        while self._to_come and self._to_come[-1][1] < (minute + 1) * 60.0:
            quotes.append(_quote(self._to_come.pop(), hour, starts_at, free))
        return quotes

    def _past_hours(self, first_hour: int, pool: DriverPool) -> list[dict[str, np.ndarray]]:
        return [
            past_hour(hour, self._requests(hour), self._fleet(hour), pool)
            for hour in range(first_hour, self._start_hour)
        ]

    def _fleet(self, hour_index: int) -> np.ndarray:
        """Drivers on shift in one hour, by the zone that they would be in if nobody rode."""
        expected = self._arrivals.expected_per_hour(hour_index)
        result: np.ndarray = (2.0 + DRIVERS_PER_REQUEST * expected) * self._arrivals.driver_luck(hour_index)
        return result

    def _requests(self, hour_index: int) -> HourOfRequests:
        return self._arrivals.draw(hour_index, self._shift_s - hour_index * 3600.0)


_Request = tuple[int, float, int, int, float, float, float, float, Hidden]


def _requests_latest_first(hour: HourOfRequests) -> list[_Request]:
    """An hour's columns as one tuple a request, with plain Python numbers, the latest first (to pop from)."""
    hidden = zip(
        *(hour.tendency.tolist(), hour.mood.tolist(), hour.slope.tolist()),
        *(hour.driver_draw.tolist(), hour.wait_draw.tolist(), hour.delay_draw.tolist()),
        hour.destination.tolist(),
        strict=True,
    )
    count = len(hour.second)
    requests = zip(
        *(range(count), hour.second.tolist(), hour.zone.tolist(), hour.rider.tolist()),
        *(hour.rain.tolist(), [hour.temperature_c] * count, hour.base_fare.tolist(), hour.offered.tolist()),
        map(Hidden._make, hidden),
        strict=True,
    )
    return list(requests)[::-1]


def _quote(request: _Request, hour_index: int, hour_starts_at: datetime, free: list[int]) -> Quote:
    number, second, zone, rider, rain, temperature_c, base_fare, offered, hidden = request
    return Quote(
        quote_id=f"q{hour_index}-{number}",
        rider_id=f"r{rider:05d}",
        zone=ZONE_NAMES[zone],
        requested_at=hour_starts_at + timedelta(seconds=second),
        drivers=free[zone],
        rain=rain,
        temperature_c=temperature_c,
        base_fare=base_fare,
        hour=round(hour_index % 24 + second / 3600.0, 4),
        centre_km=_CENTRE_KM[zone],
        offered=None if math.isnan(offered) else offered,
        hidden=hidden,
    )
