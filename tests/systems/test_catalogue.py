"""The page of systems accounts for every row."""

import re
from pathlib import Path

from tests.systems.catalogue import ROWS

ROOT = Path(__file__).parents[2]


def test_every_row_passes_or_shows_as_missing():
    page = (ROOT / "docs" / "systems.md").read_text()
    states = dict(re.findall(r"^\| ([A-Z]{3}-\d+) \|.*\| (passes|missing|fails) \|$", page, re.M))
    assert states.keys() == ROWS.keys()
    assert "fails" not in states.values()


def test_every_tested_row_shows_as_passing():
    page = (ROOT / "docs" / "systems.md").read_text()
    tested = {
        id
        for file in Path(__file__).parent.glob("test_*.py")
        for id in re.findall(r'^@row\("([A-Z]{3}-\d+)"', file.read_text(), re.M)
    }
    passing = set(re.findall(r"^\| ([A-Z]{3}-\d+) \|.*\| passes \|$", page, re.M))
    assert tested == passing
