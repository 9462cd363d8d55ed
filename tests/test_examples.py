"""The examples do what they say; those that train for long learn something in a few steps."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def output(example: str, plot: Path, *options: str) -> str:
    """What an example prints; it must end well and leave a picture."""
    command = [sys.executable, str(ROOT / "examples" / f"{example}.py"), "--plot", str(plot)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert plot.read_bytes().startswith(b"\x89PNG")
    return done.stdout


def number(text: str, before: str) -> float:
    """The number that follows these words."""
    found = re.search(re.escape(before) + r" ([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.slow
def test_digits_learns_and_draws(tmp_path: Path) -> None:
    text = output("digits", tmp_path / "digits.png")
    assert number(text, "accuracy on the 360 held-out digits:") >= 97


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
    assert said in output(example, tmp_path / "plot.png", *options)


@pytest.mark.slow
@pytest.mark.parametrize(("example", "steps"), [("char_lstm", "30"), ("gpt", "25")])
def test_models_of_characters_learn_and_write(tmp_path: Path, example: str, steps: str) -> None:
    text = output(example, tmp_path / "text.png", "--steps", steps)
    assert "The statement" in text
    assert number(text, "held-out loss:") < 3.3  # guessing costs 4.6


@pytest.mark.slow
def test_rows_of_digits_are_written_backwards(tmp_path: Path) -> None:
    text = output("seq2seq", tmp_path / "seq2seq.png", "--steps", "100")
    assert number(text, "written backwards without a mistake:") > 50


@pytest.mark.slow
def test_a_boltzmann_machine_dreams_of_digits(tmp_path: Path) -> None:
    text = output("rbm", tmp_path / "rbm.png", "--epochs", "40")
    assert number(text, "independent pixels:") == pytest.approx(25.34, abs=0.01)
    assert 10 < number(text, "the machine:") < 20


@pytest.mark.slow
def test_factor_models_find_classes_signals_and_atoms(tmp_path: Path) -> None:
    text = output("factor_models", tmp_path / "factors.png", "--steps", "20")
    assert number(text, "held-out digits likeliest in their own class:") >= 98
    assert number(text, "correlations of the signals found:") > 0.99
    assert number(text, "atoms explain") > 66  # random ones: 61


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "says", "least"),
    [("lenet", "LeNet-5 reads", 90), ("resnet", "the residual network reads", 90)],
)
def test_convolutions_read_digits(tmp_path: Path, example: str, says: str, least: float) -> None:
    assert number(output(example, tmp_path / "plot.png", "--epochs", "4"), says) > least


@pytest.mark.slow
def test_a_variational_autoencoder_tells_digits_shortly(tmp_path: Path) -> None:
    text = output("vae", tmp_path / "vae.png", "--epochs", "10")
    assert number(text, "by 500 samples") < 24 < number(text, "independent pixels:")


@pytest.mark.slow
def test_digits_come_of_noise(tmp_path: Path) -> None:
    text = output("diffusion", tmp_path / "diffusion.png", "--epochs", "60")
    assert number(text, "dreams:") < 90  # before it learns, 100


@pytest.mark.slow
def test_a_generator_makes_digits_of_several_kinds(tmp_path: Path) -> None:
    text = output("gan", tmp_path / "gan.png", "--epochs", "20")
    assert number(text, "of generated ones") > 5


@pytest.mark.slow
def test_networks_doubt_where_there_are_no_points(tmp_path: Path) -> None:
    text = output("bayesian", tmp_path / "bayesian.png", "--steps", "2000")
    assert "all three are in doubt where there are no points" in text


@pytest.mark.slow
def test_the_operations_that_made_the_data_are_found(tmp_path: Path) -> None:
    text = output("darts", tmp_path / "darts.png")
    assert "found conv3, identity, max_pool3;" in text
    assert number(text, "the found cell leaves") < 2
