"""The examples do what they say; those that train for long learn something in a few steps."""

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import graphc as gc

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Output = Callable[..., str]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def command(example: str, plot: Path, *options: str) -> list[str]:
    """What calls an example."""
    return [str(EXAMPLES / f"{example}.py"), "--plot", str(plot), *options]


def drawn(plot: Path) -> bool:
    """Whether a picture is there."""
    return plot.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Output:
    """What an example prints; it must end well and leave a picture. It runs in this process, which
    imports once what they all need, and on one thread, since other tests run beside it.
    """

    def run(example: str, *options: str) -> str:
        call = command(example, tmp_path / "plot.png", *options)
        monkeypatch.setattr(sys, "argv", call)
        monkeypatch.syspath_prepend(EXAMPLES)
        threads = gc.get_num_threads()
        gc.set_num_threads(1)
        try:
            runpy.run_path(call[0], run_name="__main__")
        except SystemExit as ended:
            pytest.fail(f"{example} ended early: {ended}")
        finally:
            gc.set_num_threads(threads)
            sys.modules["matplotlib.pyplot"].close("all")
        assert drawn(tmp_path / "plot.png")
        return capsys.readouterr().out

    return run


def number(text: str, before: str) -> float:
    """The number that follows these words."""
    found = re.search(re.escape(before) + r" ([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


def test_digits_learns_and_draws(tmp_path: Path) -> None:
    """In a process of its own, as it is called, with what a process has by default."""
    call = [sys.executable, *command("digits", tmp_path / "digits.png")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert drawn(tmp_path / "digits.png")
    assert number(done.stdout, "accuracy on the 360 held-out digits:") >= 97


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
    example: str, options: list[str], said: str, output: Output
) -> None:
    assert said in output(example, *options)


@pytest.mark.parametrize(("example", "steps"), [("char_lstm", "30"), ("gpt", "16")])
def test_models_of_characters_learn_and_write(output: Output, example: str, steps: str) -> None:
    text = output(example, "--steps", steps)
    assert "The statement" in text
    assert number(text, "held-out loss:") < 3.3  # guessing costs 4.6


def test_rows_of_digits_are_written_backwards(output: Output) -> None:
    text = output("seq2seq", "--steps", "100")
    assert number(text, "written backwards without a mistake:") > 50


def test_a_boltzmann_machine_dreams_of_digits(output: Output) -> None:
    text = output("rbm", "--epochs", "40")
    assert number(text, "independent pixels:") == pytest.approx(25.34, abs=0.01)
    assert 10 < number(text, "the machine:") < 20


def test_factor_models_find_classes_signals_and_atoms(output: Output) -> None:
    text = output("factor_models", "--steps", "20")
    assert number(text, "held-out digits likeliest in their own class:") >= 98
    assert number(text, "correlations of the signals found:") > 0.99
    assert number(text, "atoms explain") > 66  # random ones: 61


@pytest.mark.parametrize(
    ("example", "epochs", "says"),
    [("lenet", "4", "LeNet-5 reads"), ("resnet", "2", "the residual network reads")],
)
def test_convolutions_read_digits(output: Output, example: str, epochs: str, says: str) -> None:
    assert number(output(example, "--epochs", epochs), says) > 90


def test_a_variational_autoencoder_tells_digits_shortly(output: Output) -> None:
    text = output("vae", "--epochs", "7")
    assert number(text, "by 500 samples") < 24 < number(text, "independent pixels:")


def test_digits_come_of_noise(output: Output) -> None:
    text = output("diffusion", "--epochs", "40")
    assert number(text, "dreams:") < 90  # before it learns, 100


def test_a_generator_makes_digits_of_several_kinds(output: Output) -> None:
    text = output("gan", "--epochs", "12")
    assert number(text, "of generated ones") > 5


def test_networks_doubt_where_there_are_no_points(output: Output) -> None:
    text = output("bayesian", "--steps", "2000")
    assert "all three are in doubt where there are no points" in text


def test_the_operations_that_made_the_data_are_found(output: Output) -> None:
    text = output("darts")
    assert "found conv3, identity, max_pool3;" in text
    assert number(text, "the found cell leaves") < 2
