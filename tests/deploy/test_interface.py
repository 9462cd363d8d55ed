"""What an artefact's header promises: names, codes, files, and that artefacts live side by side."""

import ctypes
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.llvm import artefact
from graphc.deploy.header import c_names
from tests.deploy.building import CC, CXX, build, needs_cc, run

pytestmark = needs_cc

# What may be asked of the system: the C library, threads, and fused multiply-add where there is
# no instruction for it.
ALLOWED = [
    "aligned_alloc",
    "bcmp",
    "fclose",
    "fgetc",
    "fma",
    "fmaf",
    "fopen",
    "fread",
    "free",
    "fwrite",
    "getpid",
    "memcmp",
    "memcpy",
    "memset",
    "pthread_attr_destroy",
    "pthread_attr_getstacksize",
    "pthread_attr_init",
    "pthread_attr_setstacksize",
    "pthread_create",
    "pthread_join",
    "pthread_sigmask",
    "remove",
    "rename",
    "sched_getaffinity",
    "sched_getcpu",
    "sched_setaffinity",
    "sched_yield",
    "sigfillset",
    "strlen",
    "syscall",
]
OWN = [
    "check",
    "create",
    "destroy",
    "error",
    "interface",
    "load",
    "save",
    "set_threads",
    "variable",
]


def counter(name: str = "count") -> gc.Tensor:
    return gc.variable(np.zeros(3, np.float32), name, trainable=False)


def library(artefact: gc.Artefact) -> ctypes.CDLL:
    found = ctypes.CDLL(str(artefact.library))
    name = artefact.header.stem
    for function, kind in (("create", ctypes.c_void_p), ("error", ctypes.c_char_p)):
        getattr(found, f"{name}_{function}").restype = kind
    return found


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def symbols(path: Path, *flags: str) -> dict[str, str]:
    text = subprocess.run(["nm", *flags, path], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[-1].split("@")[0]: row[-2] for row in rows}


@pytest.mark.parametrize("isa", ["host", "x86-64-v2"])
def test_a_library_needs_the_c_library_alone(tmp_path: Path, isa: str) -> None:
    x = gc.placeholder("x", ("n", "m"))
    made = gc.export([x], gc.softmax(gc.tanh(x)) @ x.T, tmp_path / "model", isa=isa)
    undefined = {n for n, kind in symbols(made.object).items() if kind == "U"}
    assert undefined <= {*ALLOWED, "_GLOBAL_OFFSET_TABLE_"}
    asked = subprocess.run(["readelf", "-d", made.library], capture_output=True, text=True)
    needed = [line.split("[")[1][:-1] for line in asked.stdout.splitlines() if "NEEDED" in line]
    assert set(needed) <= {"libc.so.6", "libm.so.6", "libpthread.so.0"}


def test_a_library_exports_its_interface_alone(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    made = gc.export([x], gc.exp(x).sum(), tmp_path / "model")
    interface = {f"model_{f}" for f in (*OWN, "call", "call_workspace")}
    defined = {n for n, kind in symbols(made.library, "-D").items() if kind != "U"}
    assert defined == interface
    visible = {n for n, kind in symbols(made.object).items() if kind.isupper() and kind != "U"}
    assert {n for n in visible if not n.startswith("model.")} == interface


@pytest.mark.parametrize("compiler", [CC, CXX], ids=["C", "C++"])
def test_the_header_is_c_and_cpp_whatever_things_are_called(
    tmp_path: Path, compiler: str | None
) -> None:
    if compiler is None:
        pytest.skip("no C++ compiler")
    int_, n = gc.placeholder("int", ("n",)), gc.placeholder("n", ("class",))
    variables = [counter("h"), counter("h"), counter("0.weight */"), counter("größe"), counter("")]
    updates = {v: v + 1 for v in variables}
    gc.export([int_, n], [int_.sum(), n.named("self") * 2], tmp_path / "model", updates)
    source = '#include "model.h"\n#include "model.h"\nint main(void) { return 0; }\n'
    run(build(tmp_path, source, compiler=compiler))


def test_parameters_get_distinct_names() -> None:
    assert c_names(["n", "n", "for", "1", "a.b", "a b"]) == ["n", "n_", "for_", "_1", "a_b", "a_b_"]


@pytest.mark.parametrize(
    ("functions", "name", "message"),
    [
        (["call"], "my model", "'my model' cannot be a name in C"),
        (["call"], "int", "'int' means something else in C"),
        (["save"], "model", "every artefact has a function model_save"),
        (["f", "f_workspace"], "model", "every artefact has a function model_f_workspace"),
        ([], "model", "no functions to export"),
    ],
)
def test_names_that_c_cannot_have_are_refused(
    tmp_path: Path, functions: list[str], name: str, message: str
) -> None:
    x = gc.placeholder("x")
    f = gc.compile([x], x + 1)
    with pytest.raises(gc.GraphError, match=message):
        gc.export(dict.fromkeys(functions, f), path=tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_unknown_instruction_set_is_refused(tmp_path: Path) -> None:
    x = gc.placeholder("x")
    with pytest.raises(gc.ArgumentError, match="unknown CPU target 'pentium'"):
        gc.export([x], x + 1, tmp_path / "model", isa="pentium")


def test_a_negative_size_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    x, total = gc.placeholder("x", ("n", 3)), counter()
    made = gc.export([x], x * 2, tmp_path / "model", updates={total: total + x.sum(axis=0)})
    lib = library(made)
    state = ctypes.c_void_p(lib.model_create())
    assert lib.model_call(state, ctypes.c_int64(-1), None, None, None) == -2
    assert lib.model_error(-2).startswith(b"a size is negative, or makes a length negative")
    assert lib.model_call_workspace(ctypes.c_int64(-1)) == 0
    lib.model_destroy(state)


@pytest.mark.parametrize("fault", ["state", "x", "k", "out", "misaligned k", "misaligned out"])
def test_a_pointer_that_cannot_be_used_is_an_error_and_changes_nothing(
    fault: str, tmp_path: Path
) -> None:
    x, k, total = gc.placeholder("x", ("n", 3)), gc.placeholder("k", (), gc.int64), counter()
    steps = {total: total + x.sum(axis=0)}
    lib = library(gc.export([x, k], x[:, :2] + k.astype("f4"), tmp_path / "model", updates=steps))
    state, n = ctypes.c_void_p(lib.model_create()), ctypes.c_int64(4)
    given = {"state": state, "n": n, "x": pointer(np.ones((4, 3), np.float32))}
    given |= {"k": pointer(np.ones(2, np.int64)), "out": pointer(np.ones((5, 2), np.float32))}
    wrong = fault.split()[-1]
    address = given[wrong].value
    changed = None if wrong == fault else ctypes.c_void_p(address + 2)
    assert lib.model_call(*(given | {wrong: changed}).values(), None) == -6
    assert lib.model_error(-6) == b"a pointer is NULL or not aligned for its elements"
    lib.model_variable.restype = ctypes.POINTER(ctypes.c_float)
    assert lib.model_variable(state, 0)[:3] == [0, 0, 0]
    assert lib.model_call(*given.values(), None) == 0
    lib.model_destroy(state)


def test_arrays_without_elements_may_lie_nowhere(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n", "m"))
    lib = library(gc.export([x], gc.sum(x, axis=0), tmp_path / "model"))
    state, none = ctypes.c_void_p(lib.model_create()), ctypes.c_int64(0)
    out = np.ones(2, np.float32)
    assert lib.model_call(state, none, none, None, None, None) == 0
    assert lib.model_call(state, none, ctypes.c_int64(2), None, pointer(out), None) == 0
    assert out.tolist() == [0, 0]
    lib.model_destroy(state)


def test_files_and_variables_of_no_state_are_errors(tmp_path: Path) -> None:
    lib, path = stateful(tmp_path), str(tmp_path / "state").encode()
    state = ctypes.c_void_p(lib.model_create())
    assert [lib.model_save(None, path), lib.model_save(state, None)] == [-6, -6]
    assert [lib.model_load(None, path), lib.model_load(state, None)] == [-6, -6]
    lib.model_variable.restype = ctypes.c_void_p
    assert lib.model_variable(None, 0) is None
    lib.model_destroy(None)
    lib.model_destroy(state)


def test_an_index_out_of_range_is_a_code_with_a_message(tmp_path: Path) -> None:
    table, total = gc.placeholder("table", (4, 2)), counter()
    k, rows = gc.placeholder("k", ("n",), gc.int64), gc.placeholder("rows", (5, 3))
    first = gc.compile([table, k], gc.take(table, k, axis=0))
    second = gc.compile(
        [rows, k], [], updates={total: total + gc.take(rows, k, axis=0).sum(axis=0)}
    )
    lib = library(gc.export({"first": first, "second": second}, path=tmp_path / "model"))
    state = ctypes.c_void_p(lib.model_create())
    good, bad, n = np.array([3, 0]), np.array([1, 9]), ctypes.c_int64(2)
    a, b, out = (
        np.ones((4, 2), np.float32),
        np.ones((5, 3), np.float32),
        np.zeros((2, 2), np.float32),
    )
    assert lib.model_first(state, n, pointer(a), pointer(good), pointer(out), None) == 0
    assert lib.model_first(state, n, pointer(a), pointer(bad), pointer(out), None) == 1
    assert lib.model_second(state, n, pointer(b), pointer(bad), None) == 2
    assert b"out of range for axis 0 of length 5" in lib.model_error(2)
    assert b"test_interface.py" in lib.model_error(1)
    lib.model_variable.restype = ctypes.POINTER(ctypes.c_float)
    assert lib.model_variable(state, 0)[:3] == [0, 0, 0]
    assert lib.model_second(state, n, pointer(b), pointer(good), None) == 0
    assert lib.model_variable(state, 0)[:3] == [2, 2, 2]
    assert lib.model_error(1234) == b"unknown error"


def test_the_same_error_has_one_code(tmp_path: Path) -> None:
    """A classifier's step uses its labels in the loss and in its gradient."""
    x, t = gc.placeholder("x", ("n", 4)), gc.placeholder("t", ("n",), gc.int64)
    w = gc.variable(np.zeros((4, 3), np.float32), "w")
    loss = nn.cross_entropy(x @ w, t)
    step = gc.export([x, t], loss, tmp_path / "model", updates={w: w - gc.grad(loss, w)})
    assert step.header.read_text().count("an index is out of range") == 1
    lib = library(step)
    state = ctypes.c_void_p(lib.model_create())
    rows, bad, out = np.ones((2, 4), np.float32), np.array([1, 9]), np.zeros(1, np.float32)
    arguments = [pointer(a) for a in (rows, bad, out)]
    assert lib.model_call(state, ctypes.c_int64(2), *arguments, None) == 1


def stateful(folder: Path, name: str = "model") -> ctypes.CDLL:
    count, half = counter(), gc.variable(np.ones((2, 2), np.float16), "half")
    return library(gc.export([], [], folder / name, updates={count: count + 1, half: half * 2}))


def test_the_state_is_a_safetensors_file(tmp_path: Path) -> None:
    lib = stateful(tmp_path)
    state = ctypes.c_void_p(lib.model_create())
    assert lib.model_call(state, None) == 0
    path = tmp_path / "state.safetensors"
    assert lib.model_save(state, str(path).encode()) == 0
    raw = path.read_bytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:end])
    assert header["count"] == {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    assert header["half"]["dtype"] == "F16"
    assert np.frombuffer(raw[end : end + 12], np.float32).tolist() == [1, 1, 1]
    assert np.frombuffer(raw[end + 12 :], np.float16).tolist() == [2, 2, 2, 2]
    assert [p.name for p in tmp_path.glob("*.part")] == []


@pytest.mark.parametrize("fault", ["missing", "short", "long", "header", "empty"])
def test_a_file_that_does_not_fit_leaves_the_state_alone(tmp_path: Path, fault: str) -> None:
    lib = stateful(tmp_path)
    state, path = ctypes.c_void_p(lib.model_create()), tmp_path / "state"
    assert lib.model_call(state, None) == 0
    assert lib.model_save(state, str(path).encode()) == 0
    raw = path.read_bytes()
    wrong = {
        "short": raw[:-1],
        "long": raw + b"x",
        "header": raw[:8] + raw[8:].replace(b"F32", b"I32"),
        "empty": b"",
    }
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(wrong[fault])
    assert lib.model_call(state, None) == 0
    assert lib.model_load(state, str(path).encode()) == (-3 if fault == "missing" else -4)
    lib.model_variable.restype = ctypes.POINTER(ctypes.c_float)
    assert lib.model_variable(state, 0)[:3] == [2, 2, 2]


def test_saving_where_one_cannot_keeps_what_was_there(tmp_path: Path) -> None:
    lib = stateful(tmp_path)
    state = ctypes.c_void_p(lib.model_create())
    assert lib.model_save(state, str(tmp_path / "no" / "such").encode()) == -3
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    assert lib.model_save(state, str(tmp_path / "folder").encode()) == -3
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["kept"]
    assert not (tmp_path / "folder.part").exists()


def test_two_artefacts_link_into_one_program(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    big = gc.variable(np.arange(5000, dtype=np.float32), "big")
    for name in ("one", "two"):
        updates = {(c := counter()): c + 1, big: big + 1}
        gc.export([x], gc.tanh(x) * 2, tmp_path / name, updates=updates)
    source = """
    #include "one.h"
    #include "two.h"
    int main(void) {
        enum { N = 100000 };
        float *x = calloc(N, 4), *y = calloc(N, 4), *z = calloc(N, 4);
        for (int k = 0; k < N; k++) x[k] = (float)k / N;
        one *a = one_create();
        two *b = two_create();
        one_set_threads(2);
        two_set_threads(2);
        must(one_call(a, N, x, y, NULL));
        must(two_call(b, N, x, z, NULL));
        must(two_call(b, N, x, z, NULL));
        must(memcmp(y, z, 4 * N) || y[N - 1] == 0);
        printf("%g %g", *(float *)one_variable(a, 0), *(float *)two_variable(b, 0));
        return 0;
    }
    """
    objects = [str(tmp_path / f"{name}.o") for name in ("one", "two")]
    assert run(build(tmp_path, source, *objects, "-pthread", "-lm")) == "1 2"


def test_sizes_that_depend_on_others_come_from_them(tmp_path: Path) -> None:
    n = gc.placeholder("a", ("n",)).shape[0]
    a, b = gc.placeholder("a", ("n",)), gc.placeholder("b", (2 * n + 1,))
    lib = library(gc.export([a, b], gc.concat([a, b]), tmp_path / "model"))
    one, two, out = np.ones(3, np.float32), np.full(7, 2, np.float32), np.zeros(10, np.float32)
    state = ctypes.c_void_p(lib.model_create())
    places = [pointer(v) for v in (one, two, out)]
    assert lib.model_call(state, ctypes.c_int64(3), *places, None) == 0
    assert out.tolist() == [1] * 3 + [2] * 7


def test_generators_step_on(tmp_path: Path) -> None:
    draws = gc.random.normal(gc.random.Generator(seed=5), (4,))
    f = gc.compile([], draws)
    lib = library(gc.export({"draw": f}, path=tmp_path / "model"))
    state, out = ctypes.c_void_p(lib.model_create()), np.zeros(4, np.float32)
    for _ in range(3):
        assert lib.model_draw(state, pointer(out), None) == 0
        np.testing.assert_array_equal(out, f())


def test_recurrent_rows_go_by_strips_here_too(tmp_path: Path) -> None:
    x, w = gc.placeholder("x", (40, 16, 64)), gc.placeholder("w", (64, 64))
    last, rows = gc.scan(lambda h, z: (gc.tanh(h @ w + z), h), gc.zeros((16, 64)), x)
    f = gc.compile([x, w], gc.grad(gc.sum(last * last) + gc.sum(rows), w))
    assert "strips(" in f.dump("optimised")
    lib = library(gc.export({"slope": f}, path=tmp_path / "model"))
    rng = np.random.default_rng(0)
    given = [rng.uniform(-0.2, 0.2, v.shape).astype(np.float32) for v in (x, w)]
    out = np.zeros((64, 64), np.float32)
    for threads in (1, 2):
        lib.model_set_threads(threads)
        state = ctypes.c_void_p(lib.model_create())
        assert lib.model_slope(state, *map(pointer, (*given, out)), None) == 0
        np.testing.assert_array_equal(out, f(*given))


def test_a_graph_goes_through_all_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def listed(name: str, programs: Any, *others: Any) -> str:
        found.extend(body.node.op.name for body in programs["call"].bodies)
        return written(name, programs, *others)

    written = artefact.artefact_ir
    monkeypatch.setattr("graphc.backends.llvm.artefact.artefact_ir", listed)
    x, matrix = gc.placeholder("x", ("n", 64)), np.ones((64, 128), np.float32)
    gc.export([x], gc.tanh(x @ matrix), tmp_path / "model")
    assert "dot_packed" in found
