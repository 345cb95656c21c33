"""Tables and cards: no line is broken for a program, no id for a person; records within records are blocks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tidewheel.cli.output import card, table

ID = "rol_01jabcdefghijklmnopqrstuvw"
PROSE = "the candidate loses less than the champion does " * 4
ROWS = [{"id": ID, "version": ID.upper(), "reason": PROSE, "weights": {ID: 100.0, "other": 0.0}}]
show = table("id", "version", "reason", "weights")


def test_a_pipe_gets_one_line_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS)
    (told,) = [line for line in capsys.readouterr().out.splitlines() if ID in line]
    assert PROSE.strip() in told
    assert f"{ID}: 100, other: 0" in told


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_in_a_terminal_prose_folds_and_ids_stay_whole(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COLUMNS", columns), ("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TTY_COMPATIBLE", "1")):
        monkeypatch.setenv(name, value)
    show(ROWS)
    out = capsys.readouterr().out
    assert ID in out
    assert ID.upper() in out
    assert PROSE.strip() not in out
    assert "candidate" in out


def test_values_that_do_not_fit_the_terminal_are_whole_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COLUMNS", "80"), ("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TTY_COMPATIBLE", "1")):
        monkeypatch.setenv(name, value)
    row = {name: f"{name}_{'0123456789' * 2}z" for name in ("id", "kind", "subject", "actor", "state")}
    table(*row)([row])
    assert set(row.values()) <= set(capsys.readouterr().out.split())


@dataclass(frozen=True, slots=True)
class Turn:
    state: str
    verdicts: tuple[dict[str, object], ...]
    note: str = ""


def test_a_turn_on_a_card_is_a_block_with_a_line_for_each_gate(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = (
        {"gate": "better", "passed": True, "summary": "log_loss falls by 3 %", "numbers": {"a": 1.0}},
        {"gate": "fair", "passed": False, "summary": "one depot loses"},
    )
    card({"name": "surge", "turn": Turn("judging", verdicts)})
    assert capsys.readouterr().out.splitlines() == [
        "name  surge",
        "turn  state: judging",
        "      verdicts:",
        "        better: passed. log_loss falls by 3 %",
        "        fair: refused. one depot loses",
    ]


def test_keys_within_a_card_are_data_and_short_lists_take_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    card({"route": {"weights": {"ver_1": 95.0, "ver_2": 5.0}}, "shares": (5.0, 25.0), "longest_s": 86400.0})
    out = capsys.readouterr().out
    assert "ver_1: 95" in out
    assert "shares     5, 25" in out
    assert "longest s  86,400" in out
