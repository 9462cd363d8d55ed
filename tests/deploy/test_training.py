"""A trained artefact goes, bit for bit, the way of the same functions in Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.backends.llvm.engine import host_target
from graphc.executable import Executable
from tests.deploy.building import build, needs_cc, run

pytestmark = needs_cc
BATCHES = (256, 64, 7, 1)
WIDTH, HIDDEN, CLASSES = 64, 256, 10

TRAIN = """
#include "digits.h"
#include <stdint.h>
int main(int argc, char **argv) {
    if (argc != 6) return 2;
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    int own = atoi(argv[4]);
    const char *state = argv[5];
    digits_set_threads(atoi(argv[3]));
    digits *model = digits_create();
    int64_t batch;
    while (fread(&batch, 8, 1, in) == 1) {
        float *x = from_file(in, (size_t)batch * WIDTH * 4);
        int64_t *t = from_file(in, (size_t)batch * 8);
        float *loss = guarded(4), *scores = guarded((size_t)batch * CLASSES * 4);
        void *work = own ? guarded(digits_train_step_workspace(batch)) : NULL;
        must(digits_train_step(model, batch, x, t, loss, work));
        if (*state) {
            must(digits_save(model, state));
            digits_destroy(model);
            model = digits_create();
            must(digits_load(model, state));
        }
        work = own ? guarded(digits_predict_workspace(batch)) : NULL;
        must(digits_predict(model, batch, x, scores, work));
        fwrite(loss, 4, 1, out);
        fwrite(scores, 4, (size_t)batch * CLASSES, out);
    }
    FINISH
    fclose(in);
    fclose(out);
    digits_destroy(model);
    return 0;
}
"""


@dataclass
class Trained:
    """An artefact's folder, what its functions gave in Python, and the program that uses it."""

    folder: Path
    program: Path
    expected: bytes


def functions() -> tuple[Executable, Executable]:
    x = gc.placeholder("x", ("batch", WIDTH), gc.float32)
    t = gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(
        nn.Dense(WIDTH, HIDDEN, gc.relu),
        nn.Dropout(0.25, gc.random.Generator(seed=3)),
        nn.Dense(HIDDEN, CLASSES),
    )
    loss = nn.cross_entropy(model(x), t)
    updates = optim.Adam(1e-2).updates(loss, model.named_parameters())
    step = gc.compile([x, t], loss, updates=updates, name="train_step")
    return step, gc.compile([x], model.eval()(x), name="predict")


def data(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for n in BATCHES:
        yield rng.standard_normal((n, WIDTH), np.float32), rng.integers(0, CLASSES, n)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("artefact")
    step, predict = functions()
    gc.export({"train_step": step, "predict": predict}, path=folder / "digits")
    given = expected = b""
    for x, t in data(np.random.default_rng(0)):
        given += np.int64(len(x)).tobytes() + x.tobytes() + t.tobytes()
        expected += step(x, t).tobytes() + predict(x).tobytes()
    assert step.program is not None
    for variable in step.program.variables:
        expected += variable.node.attrs["state"].array.tobytes()
    (folder / "data").write_bytes(given)
    finish = "".join(
        f"fwrite(digits_variable(model, {k}), 1, {v.node.attrs['state'].array.nbytes}, out);\n"
        for k, v in enumerate(step.program.variables)
    )
    source = TRAIN.replace("FINISH", finish)
    flags = (f"-DWIDTH={WIDTH}", f"-DCLASSES={CLASSES}", "-g", "-fsanitize=address")
    return Trained(
        folder, build(folder, source, "-L", str(folder), "-l:digits.so", *flags), expected
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("own", [0, 1], ids=["allocated", "own workspace"])
def test_an_artefact_trains_to_the_same_bits(trained: Trained, threads: int, own: int) -> None:
    found = trained.folder / f"found{threads}{own}"
    run(trained.program, trained.folder / "data", found, threads, own, "")
    assert found.read_bytes() == trained.expected


def test_saving_and_loading_between_steps_changes_nothing(trained: Trained) -> None:
    found = trained.folder / "found"
    run(trained.program, trained.folder / "data", found, 1, 0, trained.folder / "state")
    assert found.read_bytes() == trained.expected


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_every_level_that_runs_here_computes_the_same(tmp_path: Path, isa: str) -> None:
    bits = {"x86-64-v2": 128, "x86-64-v3": 256, "x86-64-v4": 512}[isa]
    step, predict = functions()
    gc.export({"train_step": step, "predict": predict}, path=tmp_path / "digits", isa=isa)
    if host_target().vector_bits < bits:
        pytest.skip(f"{isa} does not run here; it was built")
    x, t = next(data(np.random.default_rng(1)))
    (tmp_path / "data").write_bytes(np.int64(len(x)).tobytes() + x.tobytes() + t.tobytes())
    flags = (
        f"-DWIDTH={WIDTH}",
        f"-DCLASSES={CLASSES}",
        str(tmp_path / "digits.o"),
        "-pthread",
        "-lm",
    )
    program = build(tmp_path, TRAIN.replace("FINISH", ""), *flags)
    run(program, tmp_path / "data", tmp_path / "found", 2, 0, "")
    loss, *scores = np.fromfile(tmp_path / "found", np.float32)
    np.testing.assert_allclose(loss, step(x, t), rtol=1e-5)
    np.testing.assert_allclose(np.reshape(scores, (-1, CLASSES)), predict(x), rtol=1e-3, atol=1e-4)
