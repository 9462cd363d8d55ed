"""Tuning: choices are kept in files, change code and no values, and nothing happens without."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import optim
from graphc.backends.cpu.search import Found
from graphc.backends.cpu.tuner import bodies_of
from graphc.backends.llvm.module import module_of
from graphc.tuning import TunedKernel, digest

RNG = np.random.default_rng(0)
A = RNG.standard_normal((37, 131)).astype(np.float32)
B = RNG.standard_normal((131, 53)).astype(np.float32)


def product() -> tuple[list[gc.Tensor], gc.Tensor]:
    a, b = gc.placeholder("a", ("rows", 131)), gc.placeholder("b", (131, 53))
    return [a, b], gc.sum(gc.tanh(a @ b), axis=1)


def chosen(f: gc.Executable, **choice: int) -> gc.Tuning:
    """The same choice for every kernel of a function."""
    names = bodies_of(f.program)
    family = f.machine.family
    return gc.Tuning(tuple(TunedKernel(family, n, "a kernel", choice, 2.0, 1.0) for n in names))


def code(f: gc.Executable) -> str:
    assert f.program is not None
    return module_of(f.program).text


def test_a_choice_changes_the_code_and_no_value() -> None:
    inputs, y = product()
    plain = gc.compile(inputs, y)
    tuned = gc.compile(inputs, y, tuning=chosen(plain, depth=64, tile_vectors=1))
    assert code(tuned) != code(plain)
    np.testing.assert_allclose(tuned(A, B), plain(A, B), rtol=1e-5, atol=1e-5)


def test_without_tuning_code_is_the_same() -> None:
    inputs, y = product()
    codes = [code(gc.compile(inputs, y, tuning=t)) for t in (None, gc.Tuning(), None)]
    assert codes[0] == codes[1] == codes[2]


def test_choices_for_another_machine_change_nothing() -> None:
    inputs, y = product()
    plain = gc.compile(inputs, y)
    kernels = [replace(k, isa="aarch64-128") for k in chosen(plain, depth=64).kernels]
    assert code(gc.compile(inputs, y, tuning=gc.Tuning(tuple(kernels)))) == code(plain)


def test_choices_are_part_of_the_cache_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    inputs, y = product()
    plain = gc.compile(inputs, y)
    first, second = chosen(plain, depth=64), chosen(plain, depth=32)
    assert not gc.compile(inputs, y, tuning=first).from_cache
    assert gc.compile(inputs, y, tuning=first).from_cache
    assert not gc.compile(inputs, y, tuning=second).from_cache
    assert gc.compile(inputs, y).from_cache


def test_kernels_inside_loops_have_choices_of_their_own() -> None:
    x, w = gc.placeholder("x", ("t", 8, 200)), gc.placeholder("w", (200, 200))
    last, _ = gc.scan(lambda h, row: (gc.tanh(h @ w + row), h), gc.zeros((8, 200)), x)
    plain = gc.compile([x, w], last)
    tuned = gc.compile([x, w], last, tuning=chosen(plain, few=0, direct=False, depth=64))
    assert code(tuned) != code(plain)
    rows = [RNG.standard_normal(s).astype(np.float32) / 20 for s in ((5, 8, 200), (200, 200))]
    np.testing.assert_allclose(tuned(*rows), plain(*rows), rtol=1e-5, atol=1e-5)


# --- tune -----------------------------------------------------------------------------------------


def test_what_is_found_can_be_chosen_and_changes_no_value() -> None:
    inputs, y = product()
    f = gc.compile(inputs, y)
    tuning = gc.tune(f, A, B, seconds=0.3)
    assert {k.identity for k in tuning.kernels} <= bodies_of(f.program).keys()
    assert all(k.after < k.before and k.choice for k in tuning.kernels)
    g = gc.compile(inputs, y, tuning=tuning)
    np.testing.assert_allclose(g(A, B), f(A, B), rtol=1e-5, atol=1e-5)


def test_everything_that_is_tried_gives_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, y = product()
    f, tried = gc.compile(inputs, y), list[dict[str, Found]]()

    def search(names, variants, measure, seconds):  # type: ignore[no-untyped-def]
        for name in names:
            choices = variants(name, {})
            assert len({str(c) for c in choices}) == len(choices)
            tried.extend({name: Found(c, 2.0, 1.0)} for c in choices)
        return {}

    monkeypatch.setattr("graphc.backends.cpu.tuner.search", search)
    assert len(gc.tune(f, A, B)) == 0
    assert len(tried) > 8
    for each in tried:
        ((name, one),) = each.items()
        kernel = TunedKernel(f.machine.family, name, "", one.choice, one.before, one.after)
        g = gc.compile(inputs, y, tuning=gc.Tuning((kernel,)))
        np.testing.assert_allclose(g(A, B), f(A, B), rtol=1e-5, atol=1e-5)


def test_tuning_leaves_variables_alone() -> None:
    x = gc.placeholder("x", ("n", 30))
    w = gc.variable(RNG.standard_normal((30, 20)).astype(np.float32), name="w")
    loss = gc.mean(gc.square(x @ w))
    step = gc.compile([x], loss, updates=optim.SGD(0.1).updates(loss, [w]))
    before = gc.compile([], w)()
    gc.tune(step, RNG.standard_normal((64, 30), np.float32), seconds=0.2)
    assert np.array_equal(gc.compile([], w)(), before)


def test_only_functions_for_the_cpu_are_tuned() -> None:
    inputs, y = product()
    with pytest.raises(gc.GraphError, match="only functions compiled for the CPU can be"):
        gc.tune(gc.compile(inputs, y, target="reference"), A, B)
    with pytest.raises(gc.GraphError, match=r"comes from graphc.tune or .* this is 'a.tuning'"):
        gc.compile(inputs, y, tuning="a.tuning")  # type: ignore[arg-type]
    with pytest.raises(gc.GraphError, match="'numba' has no use for it"):
        gc.compile(inputs, y, target="numba", tuning=gc.Tuning())


def test_choices_of_another_function_are_told_of() -> None:
    inputs, y = product()
    family = gc.compile(inputs, y).machine.family
    kernel = TunedKernel(family, "0" * 16, "", {"depth": 64}, 2.0, 1.0)
    for _ in range(2):
        with pytest.warns(UserWarning, match="no kernel is one of the 1 that were tuned"):
            gc.compile(inputs, y, tuning=gc.Tuning((kernel,)))


# --- files ----------------------------------------------------------------------------------------


KERNEL = TunedKernel("x86_64-512", "12ab", "sum(f32[3])", {"unroll": 2, "across": True}, 2e-6, 1e-6)


def test_a_file_holds_what_was_saved(tmp_path: Path) -> None:
    tuning = gc.Tuning((KERNEL, replace(KERNEL, isa="x86_64-256")))
    tuning.save(tmp_path / "f.tuning")
    assert gc.load_tuning(tmp_path / "f.tuning") == tuning
    assert [path.name for path in tmp_path.iterdir()] == ["f.tuning"]


def test_a_tuning_says_what_it_holds() -> None:
    assert str(gc.Tuning((KERNEL,))) == (
        "sum(f32[3]) on x86_64-512: 2.0 us -> 1.0 us with unroll=2, across=True"
    )
    assert str(gc.Tuning()) == "no kernel has become quicker"


def test_of_two_choices_for_a_kernel_the_later_counts() -> None:
    other = replace(KERNEL, choice={"unroll": 8})
    both = gc.Tuning((KERNEL,)) | gc.Tuning((other, replace(other, identity="34cd")))
    assert [(k.identity, k.choice) for k in both.kernels] == [
        ("12ab", {"unroll": 8}),
        ("34cd", {"unroll": 8}),
    ]


def test_the_order_of_choices_does_not_count() -> None:
    one, two = {"a": {"unroll": 2, "depth": 64}}, {"a": {"depth": 64, "unroll": 2}}
    assert digest(one) == digest(two) != digest({"a": {"unroll": 2}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "f.tuning is damaged or no tuning: Expecting"),
        ("[]", "is no tuning of this version: 'list'"),
        ('{"format": "graphc tuning 9"}', "is no tuning of this version: 'graphc tuning 9'"),
        ('{"format": "graphc tuning 1"}', "is damaged: it has no list of kernels"),
        (
            '{"format": "graphc tuning 1", "kernels": [{"isa": 3}]}',
            "is damaged: 'isa' of kernel 0 is 3, not a str",
        ),
        ("\x00\xff", "is damaged or no tuning"),
        ("[" * 100_000, "is damaged or no tuning"),
    ],
)
def test_a_damaged_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "f.tuning"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(gc.GraphError, match=message):
        gc.load_tuning(path)


@pytest.mark.parametrize("choice", [{"warp": 3}, {"unroll": 0}, {"across": 1}, {"depth": "64"}])
def test_a_choice_that_is_not_known_is_left_out(tmp_path: Path, choice: dict[str, object]) -> None:
    path = tmp_path / "f.tuning"
    gc.Tuning((KERNEL, replace(KERNEL, identity="34cd"))).save(path)
    found = json.loads(path.read_text())
    found["kernels"][0]["choice"] = choice
    path.write_text(json.dumps(found))
    with pytest.warns(UserWarning, match="is left out: this version of graphc knows no"):
        tuning = gc.load_tuning(path)
    assert [k.identity for k in tuning.kernels] == ["34cd"]


IN_ANOTHER_PROCESS = """
import sys
import graphc as gc
from graphc.backends.llvm.module import module_of

unused = [gc.placeholder(f"u{k}", (3,)) + 1 for k in range(7)]
a, b = gc.placeholder("a", ("rows", 131)), gc.placeholder("b", (131, 53))
f = gc.compile([a, b], gc.sum(gc.tanh(a @ b), axis=1), tuning=gc.load_tuning(sys.argv[1]))
sys.stdout.write(module_of(f.program).text)
"""


def test_choices_hold_in_another_process(tmp_path: Path) -> None:
    inputs, y = product()
    tuning = chosen(gc.compile(inputs, y), depth=64, tile_vectors=2)
    tuning.save(tmp_path / "f.tuning")
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path / "f.tuning")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == code(gc.compile(inputs, y, tuning=tuning))
