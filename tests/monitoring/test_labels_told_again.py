"""A label that is sent again says nothing new, and counts once."""

import numpy as np
import pytest
from tests.monitoring.town import Town, Traffic, traffic

from tidewheel.base.units import from_us
from tidewheel.storage.predictions import Label


def send_again(town: Town, rows: Traffic, values: dict[str, float] | None = None) -> None:
    for place, at_us in enumerate(rows.at_us.tolist()):
        told = {"accepted": float(rows.accepted[place])} if values is None else values
        town.writer.append(Label(f"w0-{place + 1}", at_us + 120_000_000, told))


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in a later batch"])
def test_a_label_that_is_sent_again_counts_once(sqlite_town: Town, at_once: bool) -> None:
    town, rows = sqlite_town, traffic(1, hours=1)
    town.open()
    town.send(rows)
    if not at_once:
        town.monitoring.run()
    send_again(town, rows)
    town.clock.advance_to(from_us(int(rows.at_us[-1])))
    town.monitoring.run()
    assert town.seen() == len(rows.at_us)


def test_another_value_of_the_same_prediction_and_one_after_a_missing_value_do_count(sqlite_town: Town) -> None:
    town, rows = sqlite_town, traffic(1, hours=1)
    town.open()
    town.send(rows, labelled=False)
    send_again(town, rows, {"fare": 12.0})
    send_again(town, rows, {"accepted": np.nan})
    town.monitoring.run()
    assert town.seen() == 0
    send_again(town, rows)
    town.monitoring.run()
    assert town.seen() == len(rows.at_us)


def test_labels_whose_fold_failed_are_not_taken_for_told(sqlite_town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town, rows = sqlite_town, traffic(1, hours=1)
    town.open()
    town.send(rows)
    with monkeypatch.context() as patched:
        patched.setattr(town.log, "save_cursor", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            town.monitoring.run()
    town.monitoring.run()
    assert town.seen() == len(rows.at_us)
