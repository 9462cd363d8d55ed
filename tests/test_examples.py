"""The examples do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_digits_learns_and_draws(tmp_path: Path) -> None:
    plot = tmp_path / "digits.png"
    command = [sys.executable, str(ROOT / "examples" / "digits.py"), "--plot", str(plot)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "accuracy on the 360 held-out digits: 9" in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "options", "said"),
    [
        ("optimisers", ["--steps", "1500"], "theory and measurement agree to "),
        (
            "sloppy_spectrum",
            ["--hidden", "6", "--samples", "200", "--steps", "300"],
            "the network is sloppy",
        ),
    ],
)
def test_a_short_run_reaches_its_figures(
    example: str, options: list[str], said: str, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.png"
    command = [sys.executable, str(ROOT / "examples" / f"{example}.py"), "--plot", str(plot)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert said in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
