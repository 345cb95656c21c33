"""The docs are true: reference pages are what the code says now, code blocks run, links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from docs.generate import NOTE, PAGE_WRITERS, PAGES  # noqa: E402

WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGE_WRITERS)
def test_a_generated_page_is_what_the_code_says_now(page):
    assert (PAGES / page).read_text() == NOTE + PAGE_WRITERS[page](), "run `make docs`"


@pytest.mark.parametrize("page", [p for p in WRITTEN if BLOCK.search(p.read_text())], ids=lambda p: p.name)
def test_the_code_blocks_of_a_page_run(page, tmp_path):
    blocks = BLOCK.findall(page.read_text())
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    for target in LINK.findall(page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
