"""A contract is inferred from good rows, edited, and then held against all that come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from tidewheel.base.errors import InvalidInput, NotFound
from tidewheel.data import ColumnContract, Contract, Data
from tidewheel.data.check_contract import check_contract
from tidewheel.data.infer_contract import infer_contract

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = pa.table(
    {
        "ride": [f"r{n}" for n in range(200)],
        "zone": ["a", "b", "c", "d"] * 50,
        "fare": [5.0 + n % 10 for n in range(200)],
        "wait_s": [None if n % 20 == 0 else float(n) for n in range(200)],
        "riders": [n % 4 for n in range(200)],
        "at": [T0 + timedelta(minutes=n) for n in range(200)],
    }
)


def by_name(contract: Contract) -> dict[str, ColumnContract]:
    return {column.name: column for column in contract.columns}


def test_a_contract_is_inferred_with_types_ranges_categories_and_keys() -> None:
    found = by_name(infer_contract("rides", "rides@0", ROWS))
    types = {name: column.type for name, column in found.items()}
    assert types == {
        "ride": "text",
        "zone": "text",
        "fare": "number",
        "wait_s": "number",
        "riders": "integer",
        "at": "instant",
    }
    assert [name for name, column in found.items() if column.nullable] == ["wait_s"]
    assert [name for name, column in found.items() if column.unique] == ["ride"]
    assert found["zone"].categories == ("a", "b", "c", "d")
    assert found["ride"].categories is None
    assert (found["fare"].minimum, found["fare"].maximum) == (0.0, 23.0)
    assert found["fare"].quantiles["p50"] == 9.5


COLUMNS = st.sampled_from([st.integers(-(2**40), 2**40), st.floats(width=32), st.text(max_size=3), st.booleans()])


@given(data=st.data(), count=st.integers(0, 30))
def test_rows_always_meet_the_contract_inferred_from_them(data: st.DataObject, count: int) -> None:
    kinds = data.draw(st.lists(COLUMNS, min_size=1, max_size=3))
    columns = [data.draw(st.lists(st.none() | kind, min_size=count, max_size=count)) for kind in kinds]
    rows = pa.table({f"c{place}": column for place, column in enumerate(columns)})
    report = check_contract(infer_contract("d", "d@0", rows), "d@0", rows)
    assert [v for v in report.violations if v.rule not in {"minimum", "maximum"} or "inf" not in v.message] == []


def test_each_violation_names_column_rule_count_and_example_rows() -> None:
    contract = replace(infer_contract("rides", "rides@0", ROWS), other_columns=False)
    bad = pa.table(
        {
            "ride": ["x", "x", "y"],
            "zone": ["a", "moon", None],
            "fare": [500.0, 6.0, -1.0],
            "wait_s": ["long", "short", "none"],
            "extra": [1, 2, 3],
            "at": [T0, T0, T0],
        }
    )
    found = {(v.column, v.rule): v for v in check_contract(contract, "rides@1", bad).violations}
    assert {key: violation.count for key, violation in found.items()} == {
        ("ride", "unique"): 2,
        ("zone", "not null"): 1,
        ("zone", "categories"): 1,
        ("fare", "minimum"): 1,
        ("fare", "maximum"): 1,
        ("wait_s", "type"): 3,
        ("riders", "present"): 3,
        ("extra", "no other columns"): 3,
    }
    above = found["fare", "maximum"]
    assert above.message == "'fare' is above 23 in 1 of 3 rows (row 0: 500.0)."
    assert above.examples[0]["row"] == 0
    assert above.examples[0]["zone"] == "a"


def test_rows_that_break_the_contract_in_force_are_not_taken(data: Data) -> None:
    data.append("rides", ROWS)
    with pytest.raises(NotFound):
        data.contract("rides")
    contract = data.set_contract("rides", data.infer_contract("rides"))
    assert data.contract("rides") == contract
    assert contract.reference == "rides@0"
    with pytest.raises(InvalidInput, match=r"'zone' is none of a, b, c, d in 1 of 1 rows \(row 0: 'moon'\)"):
        data.append("rides", ROWS.slice(0, 1).set_column(1, "zone", pa.array(["moon"])))
    assert data.resolve("rides").number == 0
    data.append("rides", ROWS.slice(3, 2))
    assert data.ls()[0].has_contract


def test_a_version_is_validated_as_a_whole(data: Data) -> None:
    data.append("rides", ROWS)
    data.set_contract("rides", data.infer_contract("rides"))
    assert data.validate("rides").passed
    data.append("rides", ROWS.slice(0, 3))
    report = data.validate("rides")
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("ride", "unique", 6)]
    assert data.validate("rides", "0").passed


def test_a_contract_can_be_edited_and_set_again(data: Data) -> None:
    data.append("rides", ROWS)
    inferred = data.infer_contract("rides")
    columns = tuple(replace(c, categories=None) if c.name == "zone" else c for c in inferred.columns)
    data.set_contract("rides", inferred)
    data.set_contract("rides", replace(inferred, columns=columns))
    data.append("rides", ROWS.slice(0, 1).set_column(1, "zone", pa.array(["moon"])))
    with pytest.raises(InvalidInput):
        data.set_contract("walks", inferred)


def test_whole_numbers_may_stand_for_fractions_and_long_text_is_shortened() -> None:
    contract = Contract(
        dataset="d",
        columns=(
            ColumnContract(name="x", type="number", maximum=5),
            ColumnContract(name="note", type="text", nullable=False),
        ),
    )
    rows = pa.table({"x": [1, 9], "note": ["n" * 500, "ok"]})
    report = check_contract(contract, "d@0", rows)
    assert [(v.column, v.rule) for v in report.violations] == [("x", "maximum")]
    assert check_contract(contract, "d@0", rows.slice(0, 1)).passed
