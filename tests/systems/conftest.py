"""Collects what each row's test found, and writes docs/systems.md when all of them ran (`--write-
systems`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systems.catalogue import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "systems.md"
_found: dict[str, tuple[str, str, str]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Notes the outcome of a row's test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    mark = item.get_closest_marker("row")
    if mark is None or report.when != "call":
        return
    doc = " ".join((item.obj.__doc__ or "").split())  # type: ignore[attr-defined]
    result = "passes" if report.passed else "fails"
    old = _found.get(mark.kwargs["id"])
    if old is None or result == "fails":
        _found[mark.kwargs["id"]] = (mark.kwargs["where"], doc, result)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the page."""
    if session.config.getoption("--write-systems") and _found:
        PAGE.write_text(page())


def page() -> str:
    """The page for what was found."""
    passing = sum(result == "passes" for _, _, result in _found.values())
    lines = [
        "# Systems",
        "",
        "Written by `python -m pytest tests/systems --write-systems`: "
        f"{passing} of {len(ROWS)} rows pass.",
        "",
        "| ID | system | where | check | result |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS.values():
        where, check, result = _found.get(row.id, ("", "", "missing"))
        name = row.name.replace("|", "\\|")
        cells = [row.id, name, f"`{where}`" if where else "", check.replace("|", "&#124;"), result]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
