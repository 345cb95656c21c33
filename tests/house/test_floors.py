"""The house stands as drawn: floors, names, and where SQL may be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tidewheel"
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/store.py"))
SQL = re.compile(r"\b(select|insert|update|delete)\(\s*[a-z_]+(\.c\b|\)|,)|\.c\.[a-z_]+ ==")


def test_doors_lead_only_downwards():
    root = SOURCE.parents[1]
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_tables_carry_its_name(room):
    declared = re.findall(r'Table\(\s*"(\w+)"', (SOURCE / room / "store.py").read_text())
    assert declared
    assert all(name.startswith(f"{room}_") for name in declared), declared


def test_no_room_names_the_tables_of_another():
    owners = {}
    for path in SOURCE.rglob("*.py"):
        for name in re.findall(r'Table\(\s*"(\w+)"', path.read_text()):
            owners[name] = path.relative_to(SOURCE).parts[0]
    for path in SOURCE.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        room = path.relative_to(SOURCE).parts[0]
        strings = set(re.findall(r'"(\w+)"', path.read_text()))
        foreign = {name for name in strings & set(owners) if owners[name] != room}
        assert not foreign, f"{path} names {foreign}"


def test_no_file_is_named_for_nothing():
    banned = {"utils", "helpers", "common", "misc", "base_classes"}
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in banned]
    classes = re.compile(r"^class (\w*Manager|Base\w+)\b", re.MULTILINE)
    assert not [path for path in SOURCE.rglob("*.py") if classes.search(path.read_text())]


def test_every_file_says_why_it_exists():
    silent = [path for path in SOURCE.rglob("*.py") if not path.read_text().lstrip().startswith('"""')]
    assert not silent
