"""The market as a whole: it asks for prices, answers them, and keeps the truth to itself.

`history` is the past under the incumbent's rule; `quotes` is live traffic in time order; `outcome` is what came of a
price. All is drawn from the seed and the hour alone, so the same world asks the same questions whatever it is
answered; only the number of free drivers follows from the answers. Never does I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tidewheel.demo.market.arrivals import Arrivals
from tidewheel.demo.market.city import ZONE_NAMES
from tidewheel.demo.market.competitor import Competitor
from tidewheel.demo.market.drivers import DriverPool
from tidewheel.demo.market.quotes import Quote
from tidewheel.demo.market.riders import Riders

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STARTS_AT = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DRIVERS_PER_REQUEST = 0.2  # free drivers wanted in a zone, for each request expected there in an hour
_ZONE_INDEX = {name: index for index, name in enumerate(ZONE_NAMES)}
_HISTORY_STEP_MIN = 5


class World:
    """One seeded market. History ends, and live traffic starts, at `starts_at` (a whole hour, UTC).

    `shift_at` is when the competitor launches; None: it never does. Of the quotes, `explored_share` carry a random
    price in `offered`. One thread at a time.
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
        self._now_s = (starts_at - EPOCH).total_seconds()
        self._pool = DriverPool(self._wanted(int(self._now_s) // 3600))
        self._hour_index = -1
        self._pending: list[tuple[float, Quote]] = []  # the rest of the hour under way, last first

    def history(self, days: float) -> dict[str, np.ndarray]:
        """Quotes of the `days` before `starts_at`, priced by the incumbent's rule, as columns in time order.

        Always the same for a seed, whatever live traffic has done; `requested_at` and `known_at` are UTC.
        """
        end_hour = int((self.starts_at - EPOCH).total_seconds()) // 3600
        first_hour = end_hour - round(days * 24)
        pool = DriverPool(self._wanted(first_hour))
        hours = [past_hour(h, self._requests(h), self._wanted(h), pool) for h in range(first_hour, end_hour)]
        return {name: np.concatenate([hour[name] for hour in hours]) for name in hours[0]}

    def quotes(self, until: datetime) -> list[Quote]:
        """Live quotes from where the last call ended up to `until` (excluded), in time order.

        Free drivers are counted at the minute of the quote, less the rides accepted before this call: ask for a
        few minutes at a time, or riders will share drivers that are gone.
        """
        until_s = (until - EPOCH).total_seconds()
        quotes: list[Quote] = []
        while self._now_s < until_s:
            minute_end_s = (self._now_s // 60.0 + 1.0) * 60.0
            stop_s = min(minute_end_s, until_s)
            quotes.extend(self._quotes_before(stop_s))
            self._now_s = stop_s
            if stop_s == minute_end_s:
                self._pool.advance(self._wanted_now)
        return quotes
