"""Exported libraries in Python: values, errors, weights that go both ways, CPUs that cannot."""

import copy
import ctypes
import dataclasses
import gc as garbage
import json
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.backends.llvm import engine
from graphc.backends.llvm.target import named_target
from graphc.ir.tensor_file import read_tensors, write_tensors
from tests.deploy.building import build, needs_cc, run

X, T = np.random.default_rng(0).random((5, 6), np.float32), np.array([0, 1, 2, 1, 0])


def classifier(folder: Path) -> tuple[nn.Sequential, gc.Executable, gc.Executable, gc.Artefact]:
    x, t = gc.placeholder("x", ("batch", 6)), gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(nn.Dense(6, 4, gc.tanh), nn.Dense(4, 3))
    loss = nn.cross_entropy(model(x), t)
    updates = optim.Adam(0.1).updates(loss, model.named_parameters())
    step, predict = gc.compile([x, t], loss, updates), gc.compile([x], model(x))
    functions = {"predict": predict, "step": step}
    made = gc.export(functions, path=folder / "model", names=model.variables())
    return model, predict, step, made


def test_a_loaded_library_computes_what_python_computes(tmp_path: Path) -> None:
    _, predict, step, made = classifier(tmp_path)
    loaded = gc.load(made.library)
    np.testing.assert_array_equal(loaded.predict(X), predict(X))
    for _ in range(3):
        np.testing.assert_array_equal(loaded.step(x=X, t=T), step(X, T))
    np.testing.assert_array_equal(loaded.functions["predict"](X), predict(X))


def test_one_function_keeps_its_name(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    double = gc.compile([x], 2 * x, name="double")
    loaded = gc.load(gc.export(double, path=tmp_path / "model").library)
    np.testing.assert_array_equal(loaded.double(X[0]), 2 * X[0])


def test_results_are_one_array_several_or_none(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    count = gc.variable(np.int64(0), "count", trainable=False)
    functions = {
        "two": gc.compile([x], [x + 1, gc.concat([x, x])]),
        "none": gc.compile([], None, updates={count: count + 1}),
    }
    loaded = gc.load(gc.export(functions, path=tmp_path / "model").library)
    first, second = loaded.two([1.0, 2.0])
    assert (first.tolist(), second.tolist()) == ([2, 3], [1, 2, 1, 2])
    assert loaded.none() is None
    assert {"two", "none", "variables"} <= set(dir(loaded))
    assert loaded.variables["count"] == 1


def test_results_keep_their_structure(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    parts = [x * k for k in range(6)]
    outputs = {"loss": gc.sum(x), "parts": {"x": parts[0], "pair": (parts[1], [parts[2]])}, 3: None}
    functions = {
        "keyed": gc.compile([x], outputs),
        "alone": gc.compile([x], (parts[3],)),
        "listed": gc.compile([x], [parts[4], parts[5]]),
    }
    made = gc.export(functions, path=tmp_path / "model")
    loaded, a = gc.load(made.library), np.arange(3, dtype=np.float32)
    for name, function in functions.items():
        given, wanted = getattr(loaded, name)(a), function(a)
        assert repr(given) == repr(wanted)
        assert repr(getattr(loaded, name)(a, out=given)) == repr(wanted)
    call = "int64_t n, const float *x, float *loss, float *parts_x, float *parts_pair_0, "
    assert call + "float *parts_pair_1_0, void *workspace" in made.header.read_text()
    with pytest.raises(gc.ArgumentError, match="a dict with the keys 'loss', 'parts', 3"):
        loaded.keyed(a, out={})


def test_a_key_that_no_library_can_tell_is_refused(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    with pytest.raises(gc.GraphError, match=r"\(1, 2\) is a key of the outputs"):
        gc.export([x], {(1, 2): x + 1}, tmp_path / "model")


def test_results_go_to_arrays_of_the_callers(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    functions = {"one": gc.compile([x], x[::-1]), "two": gc.compile([x], [x + 1, x * 2])}
    loaded = gc.load(gc.export(functions, path=tmp_path / "model").library)
    a = np.arange(100_000, dtype=np.float32)
    wanted = a[::-1].copy()
    assert loaded.one(a, out=a) is a
    np.testing.assert_array_equal(a, wanted)
    b, c = np.empty_like(a), np.empty_like(a)
    assert loaded.two(x=a, out=(b, c))[1] is c
    np.testing.assert_array_equal(b, a + 1)
    with pytest.raises(gc.ArgumentError, match=r"out is f32\[2\], the result is f32\[100000\]"):
        loaded.one(a, out=np.empty(2, np.float32))
    with pytest.raises(gc.ArgumentError, match="out must be a list of 2, like the outputs"):
        loaded.two(a, out=a)


def test_variables_may_be_arguments_but_not_results(tmp_path: Path) -> None:
    x = gc.placeholder("x", (100_000,))
    w = gc.variable(np.arange(100_000, dtype=np.float32), "w")
    turn = gc.compile([x], x * 1.0, updates={w: w + x[::-1]})
    loaded = gc.load(gc.export({"turn": turn}, path=tmp_path / "model").library)
    loaded.turn(loaded.variables["w"])
    assert (loaded.variables["w"] == 99_999).all()
    with pytest.raises(gc.ArgumentError, match="out shares memory with the variable w"):
        loaded.turn(np.ones(100_000, np.float32), out=loaded.variables["w"])


def test_sizes_that_follow_from_others_are_checked_and_computed(tmp_path: Path) -> None:
    a = gc.placeholder("a", ("n",))
    b = gc.placeholder("b", (2 * a.shape[0] + 1,))
    loaded = gc.load(gc.export([a, b], gc.concat([a, b])[::2], tmp_path / "model").library)
    assert loaded.call([1, 2], [3, 4, 5, 6, 7]).tolist() == [1, 3, 5, 7]
    with pytest.raises(gc.ArgumentError, match=r"'b' has length 4 along axis 0, expected 1"):
        loaded.call([1, 2], [3, 4, 5, 6])


def test_errors_are_those_of_the_compiled_function(tmp_path: Path) -> None:
    *_, made = classifier(tmp_path)
    loaded = gc.load(made.library)
    before = {name: x.copy() for name, x in loaded.variables.items()}
    with pytest.raises(gc.ArgumentError, match="'x' has dtype float64, expected float32"):
        loaded.predict(X.astype(float))
    with pytest.raises(gc.ArgumentError, match="step misses t"):
        loaded.step(X)
    with pytest.raises(gc.IndexRangeError, match=r"model: cross_entropy: .* 3 classes \(at test_"):
        loaded.step(X, T + 2)
    with pytest.raises(AttributeError, match="no function 'fit'; it has predict, step"):
        loaded.fit(X)
    for name, x in before.items():
        np.testing.assert_array_equal(loaded.variables[name], x)


def test_variables_are_the_memory_that_functions_use(tmp_path: Path) -> None:
    *_, made = classifier(tmp_path)
    loaded, other = gc.load(made.library), gc.load(made.library)
    loaded.variables["1.weight"][...] = 0
    loaded.variables["1.bias"][...] = [1, 2, 3]
    np.testing.assert_array_equal(loaded.predict(X), [[1, 2, 3]] * 5)
    assert not np.array_equal(other.predict(X), loaded.predict(X))
    kept = loaded.variables["1.bias"]
    del loaded
    garbage.collect()
    assert kept.tolist() == [1, 2, 3]


def test_a_model_is_freed_with_the_last_that_uses_it(tmp_path: Path) -> None:
    garbage.disable()
    try:
        loaded = gc.load(classifier(tmp_path)[3].library)
        model, state = weakref.ref(loaded), weakref.ref(loaded._state)
        step, bias = loaded.step, loaded.variables["0.bias"]
        del loaded
        assert model() is None
        step(X, T)
        del step
        assert bias.any() and state() is not None
        del bias
        assert state() is None
    finally:
        garbage.enable()


def test_a_copy_shares_the_variables(tmp_path: Path) -> None:
    loaded = gc.load(classifier(tmp_path)[3].library)
    again = copy.copy(loaded)
    again.step(X, T)
    np.testing.assert_array_equal(loaded.predict(X), again.predict(X))


def test_weights_trained_in_a_library_load_into_the_layer(tmp_path: Path) -> None:
    model, predict, _, made = classifier(tmp_path)
    loaded, file = gc.load(made.library), tmp_path / "trained.safetensors"
    loaded.step(X, T)
    loaded.save(file)
    with pytest.raises(gc.GraphError, match="strict=False takes what the layer has"):
        model.load(file)
    model.load(file, strict=False)
    assert model.variables().keys() <= loaded.variables.keys()
    np.testing.assert_array_equal(predict(X), loaded.predict(X))


def test_weights_trained_in_python_load_into_a_library(tmp_path: Path) -> None:
    model, predict, step, _ = classifier(tmp_path)
    made = gc.export({"predict": predict}, path=tmp_path / "other", names=model.variables())
    loaded, file = gc.load(made.library), tmp_path / "trained.safetensors"
    step(X, T)
    model.save(file)
    loaded.load(file)
    np.testing.assert_array_equal(loaded.predict(X), predict(X))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


@needs_cc
def test_weights_trained_in_c_load_into_the_layer(tmp_path: Path) -> None:
    model, predict, step, _ = classifier(tmp_path)
    source = """
    #include "model.h"
    int main(int argc, char **argv) {
        FILE *file = fopen(argv[1], "rb");
        const float *x = from_file(file, 5 * 6 * 4);
        const int64_t *t = from_file(file, 5 * 8);
        float loss;
        must(argc != 3 || model_check());
        model *m = model_create();
        must(model_step(m, 5, x, t, &loss, NULL));
        must(model_save(m, argv[2]));
        must(model_load(m, argv[2]));
        model_destroy(m);
        return 0;
    }
    """
    (tmp_path / "data").write_bytes(X.tobytes() + T.tobytes())
    program = build(tmp_path, source, str(tmp_path / "model.o"), "-pthread", "-lm")
    run(program, tmp_path / "data", tmp_path / "c.safetensors")
    step(X, T)
    expected = predict(X)
    model.load_state_dict({k: np.zeros_like(v) for k, v in model.state_dict().items()})
    model.load(tmp_path / "c.safetensors", strict=False)
    np.testing.assert_array_equal(predict(X), expected)


@pytest.mark.parametrize("raw", [b"", b"\xff" * 8, b"\x02" + bytes(7) + b"{}x", b"[" * 4000])
def test_a_file_that_is_damaged_is_refused(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(raw)
    with pytest.raises(gc.GraphError):
        nn.Dense(2, 2).load(file)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}, "dtype of 'a' is 'F8_E4M3'"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}, r"shape of 'a' is \[-1\]"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}, "do not reach from 8 to 16"),
        ({"dtype": "F32", "shape": [2]}, "no dtype, shape and data_offsets of 'a'"),
    ],
)
def test_an_array_that_is_damaged_is_named(
    tmp_path: Path, entry: dict[str, object], said: str
) -> None:
    header = json.dumps({"a": entry}).encode()
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(gc.GraphError, match=said):
        read_tensors(file)


def test_a_file_is_in_memory_once_beside_its_arrays(tmp_path: Path) -> None:
    arrays = {f"a{k}": np.zeros(1 << 16, np.uint8) for k in range(16)}
    write_tensors(tmp_path / "a.safetensors", arrays)
    tracemalloc.start()
    try:
        found = read_tensors(tmp_path / "a.safetensors")
        assert tracemalloc.get_traced_memory()[1] < 2.5 * len(found) * (1 << 16)
    finally:
        tracemalloc.stop()


def test_a_library_made_anew_is_loaded_anew(tmp_path: Path) -> None:
    x, found = gc.placeholder("x"), []
    for k in (1, 2):
        found.append(gc.load(gc.export([x], x + k, tmp_path / "model").library))
    assert [float(loaded.call(0.0)) for loaded in found] == [1, 2]


def test_a_renamed_library_needs_its_name(tmp_path: Path) -> None:
    x = gc.placeholder("x")
    made = gc.export([x], x + 1, tmp_path / "model")
    made.library.rename(tmp_path / "renamed.so")
    with pytest.raises(gc.GraphError, match="give load the name="):
        gc.load(tmp_path / "renamed")
    assert gc.load(tmp_path / "renamed", name="model").call(1.0) == 2


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gc.GraphError, match="there is no file"):
        gc.load(tmp_path / "model")
    (tmp_path / "model.so").write_bytes(b"x" * 100)
    with pytest.raises(gc.GraphError, match="cannot be loaded"):
        gc.load(tmp_path / "model")


LIGHT = """
import sys
import graphc as gc
print(float(gc.load(sys.argv[1]).call([1.0, 2.0])))
print("libllvmlite" in open("/proc/self/maps").read())
"""


def test_loading_needs_no_compiler(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    made = gc.export([x], gc.sum(x), tmp_path / "model")
    command = [sys.executable, "-c", LIGHT, str(made.library)]
    assert subprocess.check_output(command, text=True).split() == ["3.0", "False"]


def lacking(monkeypatch: pytest.MonkeyPatch, folder: Path, isa: str = "host") -> gc.Artefact:
    """A library for a CPU that there is none of here: its instructions were given up long ago."""
    here = named_target("host")
    if not here.triple.startswith("x86_64"):
        pytest.skip("other CPUs are not asked")
    other = dataclasses.replace(here, features=f"{here.features},+fma4,+tbm")
    monkeypatch.setattr(engine, "named_target", lambda _: other)
    x, w = gc.placeholder("x", ("n",)), gc.variable(np.ones(64, np.float32), "w")
    return gc.export([x], gc.sum(x) * w, folder / "model", updates={w: w + 1}, isa=isa)


def test_a_cpu_that_lacks_features_is_told_which_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lacking(monkeypatch, tmp_path, "x86-64-v3+avxvnni")
    with pytest.raises(gc.UnsupportedError, match=r"compiled for \(x86-64-v3\+avxvnni\)"):
        gc.load(made.library)


def test_a_cpu_that_lacks_instructions_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lacking(monkeypatch, tmp_path)
    with pytest.raises(gc.UnsupportedError, match="model: this CPU lacks instructions"):
        gc.load(made.library)
    library = ctypes.CDLL(str(made.library))
    library.model_create.restype = ctypes.c_void_p
    library.model_error.restype = ctypes.c_char_p
    library.model_call_workspace.restype = ctypes.c_size_t
    assert library.model_check() == -5
    assert b"this CPU lacks" in library.model_error(-5)
    assert library.model_create() is None
    assert library.model_call_workspace(ctypes.c_int64(1)) == 0
    assert library.model_call(None, ctypes.c_int64(1), None, None, None) == -5


@needs_cc
@pytest.mark.parametrize("isa", ["x86-64-v3", "x86-64-v4"])
def test_what_c_calls_runs_on_every_cpu(tmp_path: Path, isa: str) -> None:
    x, w = gc.placeholder("x", ("n",)), gc.variable(np.ones(64, np.float32), "w")
    made = gc.export([x], gc.exp(x) @ x * w, tmp_path / "model", updates={w: w + 1}, isa=isa)
    command = ["objdump", "-d", "--no-show-raw-insn", str(made.object)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parts = {p.split(">:")[0].split("<")[-1]: p for p in text.split("\n\n") if ">:" in p}
    public = [name for name in parts if name.startswith("model_") and "__" not in name]
    assert {"model_call", "model_create", "model_check", "model_call_workspace"} <= {*public}
    for name in (*public, "gc_stop_threads", "gc_set_threads", "gc_cpuid", "gc_saved"):
        words = {line.split("\t")[1].split(" ")[0] for line in parts[name].splitlines()[1:]}
        assert not {w for w in words if w.startswith(("v", "sarx", "shlx", "shrx", "rorx"))}
    assert any("ymm" in part or "zmm" in part for part in parts.values())


def test_names_are_of_variables(tmp_path: Path) -> None:
    x = gc.placeholder("x")
    with pytest.raises(gc.GraphError, match="names are those of variables; 'a' is <x"):
        gc.export([x], x + 1, tmp_path / "model", names={"a": x})


def test_names_of_another_model_are_refused(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n", 3))
    model, other = nn.Dense(3, 2), nn.Dense(3, 2)
    with pytest.raises(gc.GraphError, match="none of the 2 names is of a variable of these"):
        gc.export([x], model(x), tmp_path / "model", names=other.variables())
    assert not list(tmp_path.iterdir())
