"""The code in the README and the documents runs, in order, as it stands."""

import builtins
import re
import subprocess
import sys
from pathlib import Path

import pytest

import graphc as gc
from tests.support.documents import ROOT, code_blocks

TOURS = (
    "README.md",
    "docs/training.md",
    "docs/settings.md",
    "docs/deployment.md",
    "docs/tuning.md",
)


@pytest.mark.parametrize("document", TOURS)
def test_every_block_runs(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    threads = gc.get_num_threads()
    printed: list[str] = []
    monkeypatch.setattr(builtins, "print", lambda *x: printed.append(" ".join(map(str, x))))
    names: dict[str, object] = {"__name__": "tour"}
    blocks = code_blocks(document)
    assert blocks
    try:
        for line, code in blocks:
            exec(compile("\n" * (line - 1) + code, document, "exec"), names)
    finally:
        gc.set_num_threads(threads)
    for promised in re.findall(r"print\(.*?\)  # (.+)", "".join(code for _, code in blocks)):
        assert promised in printed


def test_the_mistake_in_the_readme_reads_as_shown() -> None:
    x, z = gc.placeholder("x", ("batch", 3)), gc.placeholder("z", ("batch", 4))
    with pytest.raises(gc.ShapeError) as caught:
        x + z
    shown = re.findall(r"^# (?:  )?(\S.*?)(?:  from .*)?$", (ROOT / "README.md").read_text(), re.M)
    for line in str(caught.value).splitlines()[:3]:
        assert line.split("  from")[0].strip() in shown


def test_the_nan_in_the_readme_is_found_as_shown(tmp_path: Path) -> None:
    tour = tmp_path / "tour.py"
    tour.write_text("".join(code for _, code in code_blocks("README.md")))
    done = subprocess.run(
        [sys.executable, "tour.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = re.search(r"^log: NaN.*\n.*\n.*$", done.stdout, re.M)
    assert found is not None
    shown = "\n".join(f"# {line}" for line in found[0].splitlines())
    assert shown in (ROOT / "README.md").read_text()


def test_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            assert target.startswith("http") or (document.parent / target).exists(), target
