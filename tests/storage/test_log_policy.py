"""What of the requests is logged: the share by the hash of the id, and what redaction leaves out."""

from __future__ import annotations

import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, strategies as st

from tidewheel.serving import EndpointOptions
from tidewheel.serving.assignment import hash_line, pick, point_of, switchback_unit
from tidewheel.storage.predictions import LogPolicy, Prediction

INPUTS = ("fare", "phone", "age")
ids = st.text(max_size=30)


def policy(share: float = 1.0, redact: tuple[str, ...] = (), unit_entity: str = "") -> LogPolicy:
    return LogPolicy.of(EndpointOptions(log_share=share, redact=redact), INPUTS, unit_entity)


def prediction(request_id: str, *, arm: str = "live", row: int | None = None, unit: str = "rider7") -> Prediction:
    features = np.array([12.5, 5550123.0, 44.0]).tobytes()
    name = request_id if row is None else f"{request_id}:{row}"
    return Prediction(name, 1, "surge", "v", arm, unit, 200, 40, {"zone": "z1", "rider": "r7"}, features, b"12345678")


def test_the_defaults_log_everything_as_it_is() -> None:
    everything = policy()
    record = prediction("r1")
    rows = np.ones((2, 3))
    assert everything.off
    assert everything.apply(record, "r1") is record
    assert everything.redact_rows(rows) is rows


@given(request_id=ids, share=st.floats(0, 1), rows=st.integers(1, 5))
def test_all_rows_of_a_request_are_logged_or_none_and_its_shadow_with_them(
    request_id: str, share: float, rows: int
) -> None:
    asked = policy(share)
    records = [prediction(request_id, arm=arm, row=row) for arm in ("live", "shadow") for row in range(rows)]
    logged = [asked.apply(record, request_id) for record in records]
    assert logged == (records if asked.keeps(request_id) else [None] * len(records))


@given(request_id=ids, share=st.floats(0, 1), more=st.floats(0, 1))
def test_what_a_share_keeps_a_larger_share_keeps_too(request_id: str, share: float, more: float) -> None:
    assert policy(max(share, more)).keeps(request_id) >= policy(min(share, more)).keeps(request_id)
    assert policy(1.0).keeps(request_id)
    assert not policy(0.0).keeps(request_id)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
def test_about_the_share_is_logged(share: float) -> None:
    asked, count = policy(share), 20_000
    kept = sum(asked.keeps(f"01jdq3{number:x}") for number in range(count))
    assert abs(kept - count * share) < 5 * math.sqrt(count * share * (1 - share))


def test_the_versions_of_a_route_keep_their_shares_among_what_is_logged() -> None:
    asked, line, count = policy(0.1), hash_line({"new": 10.0, "old": 90.0}), 50_000
    logged = [each for each in (f"r{number}" for number in range(count)) if asked.keeps(each)]
    new = sum(pick(line, point_of("surge", each)) == "new" for each in logged)
    assert abs(new - len(logged) * 0.1) < 5 * math.sqrt(len(logged) * 0.09)


def test_another_process_keeps_the_same_requests() -> None:
    code = (
        "from tidewheel.serving import EndpointOptions\n"
        "from tidewheel.storage.predictions import LogPolicy\n"
        "asked = LogPolicy.of(EndpointOptions(log_share=0.3), ())\n"
        "print(*[number for number in range(200) if asked.keeps(f'r{number}')])\n"
        "import sys; assert 'sqlalchemy' not in sys.modules, 'a worker has no database'"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [int(each) for each in said.split()] == [n for n in range(200) if policy(0.3).keeps(f"r{n}")]


def test_redacted_inputs_are_nan_and_redacted_entities_empty_in_the_record() -> None:
    logged = policy(redact=("phone", "rider", "nothing_of_that_name")).apply(prediction("r1"), "r1")
    assert logged is not None
    assert logged.feature_values()[[0, 2]].tolist() == [12.5, 44.0]
    assert np.isnan(logged.feature_values()[1])
    assert logged.entities == {"zone": "z1", "rider": ""}
    assert logged.outputs == prediction("r1").outputs
    packed = msgspec.msgpack.encode(logged)
    assert np.array([5550123.0]).tobytes() not in packed
    assert b"r7" not in packed.replace(b"rider7", b"")


@given(rows=st.integers(0, 4), redact=st.sets(st.sampled_from([*INPUTS, "zone"])), share=st.sampled_from([0.5, 1.0]))
def test_rows_at_once_are_redacted_as_one_by_one(rows: int, redact: set[str], share: float) -> None:
    asked = policy(share, tuple(sorted(redact)))
    given_rows = np.arange(rows * 3, dtype=np.float64).reshape(rows, 3)
    before = given_rows.copy()
    together = asked.redact_rows(given_rows)
    keys = asked.redact_entities({"zone": [f"z{row}" for row in range(rows)]})["zone"]
    assert (given_rows == before).all()  # the model's rows are not touched
    for row in range(rows):
        record = Prediction(
            f"r:{row}", 1, "surge", "v", "live", "u", 200, 1, {"zone": f"z{row}"}, before[row].tobytes(), b""
        )
        alone = asked.apply(record, "r")
        if alone is not None:
            assert alone.features == together[row].tobytes()
            assert alone.entities == {"zone": keys[row]}


def test_a_request_that_failed_before_it_had_rows_is_logged_without_features() -> None:
    failed = msgspec.structs.replace(prediction("r1"), features=b"", outputs=b"", status=500, entities={})
    assert policy(redact=("phone",)).apply(failed, "r1") == failed
    assert policy(redact=("phone",)).redact_rows(np.empty((1, 0))).shape == (1, 0)


def test_a_switchbacks_cell_does_not_name_a_redacted_entity_and_stays_one_cell() -> None:
    hiding = policy(redact=("zone",), unit_entity="zone")
    cells = [switchback_unit(zone, at_us, 60.0) for zone in ("airport", "harbour") for at_us in (0, 30_000_000, 10**9)]
    hidden = [hiding.redact_unit(cell) for cell in cells]
    assert not any("airport" in cell or "harbour" in cell for cell in hidden)
    assert hidden[0] == hidden[1]
    assert len(set(hidden)) == len(set(cells))
    logged = hiding.apply(prediction("r1", unit=cells[0]), "r1")
    assert logged is not None
    assert logged.unit == hidden[0]
    assert policy(redact=("phone",), unit_entity="zone").redact_unit(cells[0]) == cells[0]
    assert policy(redact=("zone",)).redact_unit("rider7") == "rider7"
