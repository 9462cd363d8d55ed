"""Artefacts for other machines: what is written everywhere, and run where an emulator is."""

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.executable import Executable
from tests.deploy.building import CC

ROWS, WIDTH, CLASSES = 37, 24, 5
MAPS = (gc.exp, gc.tanh, gc.sin, gc.erf, gc.sigmoid, gc.expm1, gc.floor, gc.rint)
SIZES = {"ROWS": ROWS, "WIDTH": WIDTH, "CLASSES": CLASSES, "MAPS": len(MAPS)}
ELSEWHERE = ("aarch64", "riscv64")

PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "net.h"
int main(int argc, char **argv) {
    static float x[ROWS * WIDTH], scores[ROWS * CLASSES], loss, values[ROWS * WIDTH * MAPS];
    static int64_t t[ROWS];
    if (argc != 4) return 2;
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    if (fread(x, 4, ROWS * WIDTH, in) + fread(t, 8, ROWS, in) != ROWS * WIDTH + ROWS) return 2;
    net *model = net_create();
    if (!model) return 4;
    net_set_threads(3);
    for (int k = 0; k < 3; k++) {
        if (net_train_step(model, ROWS, x, t, &loss, NULL)) return 5;
        fwrite(&loss, 4, 1, out);
    }
    if (net_save(model, argv[3])) return 6;
    net_destroy(model);
    model = net_create();
    if (net_load(model, argv[3])) return 7;
    void *workspace = malloc(net_predict_workspace(ROWS));
    if (net_predict(model, ROWS, x, scores, workspace)) return 8;
    fwrite(scores, 4, ROWS * CLASSES, out);
    if (net_elements(model, ROWS, x, values, NULL)) return 10;
    fwrite(values, 4, ROWS * WIDTH * MAPS, out);
    t[1] = CLASSES;
    if (net_train_step(model, ROWS, x, t, &loss, NULL) <= 0) return 9;
    return fclose(out);
}
"""

IN_NODE = """
import { readFileSync, writeFileSync } from 'fs';
const [wasm, given, found, rows, width, classes, maps] = process.argv.slice(2);
let memory, top;
const allocate = (a, n) => { top = (top + a - 1) & -a; top += n; return top - n; };
const env = new Proxy({ aligned_alloc: allocate }, { get: (o, k) => o[k] ?? (() => 0) });
const module = new WebAssembly.Module(readFileSync(wasm));
const net = new WebAssembly.Instance(module, { env }).exports;
memory = net.memory; top = net.__heap_base.value;
const bytes = readFileSync(given), floats = rows * width * 4;
const x = allocate(64, bytes.length), t = x + floats, loss = allocate(64, 4);
const scores = allocate(64, rows * classes * 4), model = net.net_create();
new Uint8Array(memory.buffer, x, bytes.length).set(bytes);
const results = [], n = BigInt(rows);
const must = (code) => { if (code) throw new Error(`code ${code}`); };
for (let k = 0; k < 3; k++) {
    must(net.net_train_step(model, n, x, t, loss, 0));
    results.push(Buffer.from(memory.buffer.slice(loss, loss + 4)));
}
const values = allocate(64, floats * maps);
must(net.net_elements(model, n, x, values, 0));
const workspace = allocate(64, net.net_predict_workspace(n));
must(net.net_predict(model, n, x, scores, workspace));
results.push(Buffer.from(memory.buffer.slice(scores, scores + rows * classes * 4)));
results.push(Buffer.from(memory.buffer.slice(values, values + floats * maps)));
writeFileSync(found, Buffer.concat(results));
"""


def functions() -> dict[str, Executable]:
    x = gc.placeholder("x", ("batch", WIDTH))
    t = gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(nn.Dense(WIDTH, 70, gc.tanh), nn.LayerNorm(70), nn.Dense(70, CLASSES))
    loss = nn.cross_entropy(model(x), t).named("loss")
    step = gc.compile([x, t], loss, optim.Adam(1e-2).updates(loss, model.parameters()))
    predict = gc.compile([x], gc.softmax(model(x), axis=1).named("scores"))
    elements = gc.compile([x], gc.concat([f(x * 3) for f in MAPS], axis=1).named("values"))
    return {"predict": predict, "train_step": step, "elements": elements}


def given() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.normal(size=(ROWS, WIDTH)).astype(np.float32), rng.integers(0, CLASSES, ROWS)


def check(found: Path, of: dict[str, Executable]) -> None:
    """Whether three steps and what is predicted after them are those of Python, up to rounding, and
    functions of single elements to the bit.
    """
    x, t = given()
    losses = [float(of["train_step"](x, t)) for _ in range(3)]
    results = np.fromfile(found, np.float32)
    np.testing.assert_allclose(results[:3], losses, rtol=1e-4)
    scores, values = np.split(results[3:], [ROWS * CLASSES])
    scores = scores.reshape(ROWS, CLASSES)
    np.testing.assert_allclose(scores, of["predict"](x), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(values, of["elements"](x).ravel())


def needed(*tools: str) -> list[str]:
    """The paths of programs, or the test is skipped."""
    found = [shutil.which(tool) for tool in tools]
    for tool, path in zip(tools, found, strict=True):
        if path is None:
            pytest.skip(f"there is no {tool}")
    return [path for path in found if path]


def run_in_c(folder: Path, compiler: str, *emulator: str) -> Path:
    """The results of the program, linked to the object that lies in `folder`."""
    (folder / "program.c").write_text(PROGRAM)
    sizes = [f"-D{k}={v}" for k, v in SIZES.items()]
    program = [str(folder / "program.c"), str(folder / "net.o"), "-o", str(folder / "program")]
    subprocess.run([compiler, "-static", *sizes, *program, "-pthread", "-lm"], check=True)
    x, t = given()
    (folder / "given").write_bytes(x.tobytes() + t.astype(np.int64).tobytes())
    files = [folder / name for name in ("given", "found", "state")]
    subprocess.run([*emulator, folder / "program", *files], check=True, timeout=120)
    return files[1]


@pytest.mark.parametrize("isa", [*ELSEWHERE, "wasm32"])
def test_an_object_and_a_header_are_written_for_other_machines(tmp_path: Path, isa: str) -> None:
    weight = np.ones((64, 300), np.float32)
    x, w = gc.placeholder("x", ("n", 64)), gc.variable(weight, "w")
    made = gc.export([x], gc.exp(x @ w), tmp_path / "model", isa=isa)
    data = made.object.read_bytes()
    assert data.startswith(b"\0asm" if isa == "wasm32" else b"\x7fELF")
    assert len(data) > weight.nbytes
    assert "int model_call(model *self, int64_t n," in made.header.read_text()
    if isa == "wasm32" or shutil.which(f"{isa}-linux-gnu-gcc") is None:
        assert made.library == made.object


@pytest.mark.parametrize("isa", ELSEWHERE)
def test_an_emulated_machine_computes_what_this_one_does(tmp_path: Path, isa: str) -> None:
    compiler, emulator = needed(f"{isa}-linux-gnu-gcc", f"qemu-{isa}-static")
    of = functions()
    gc.export(of, path=tmp_path / "net", isa=isa)
    check(run_in_c(tmp_path, compiler, emulator), of)


def test_a_library_for_any_x86_computes_what_this_machine_does(tmp_path: Path) -> None:
    of = functions()
    gc.export(of, path=tmp_path / "net", isa="x86-64")
    if CC is None:
        pytest.skip("no C compiler; it was built")
    check(run_in_c(tmp_path, CC), of)


def test_webassembly_computes_what_this_machine_does(tmp_path: Path) -> None:
    linker, node = needed("wasm-ld" if shutil.which("wasm-ld") else "wasm-ld-19", "node")
    of = functions()
    gc.export(of, path=tmp_path / "net", isa="wasm32")
    shown = (
        "net_create",
        "net_train_step",
        "net_predict",
        "net_predict_workspace",
        "net_elements",
        "__heap_base",
    )
    memory = ("--stack-first", "-z", "stack-size=4194304", "--initial-memory=33554432")
    subprocess.run(
        [linker, "--no-entry", "--allow-undefined", *memory, *(f"--export={k}" for k in shown),
         str(tmp_path / "net.o"), "-o", str(tmp_path / "net.wasm")],
        check=True,
    )  # fmt: skip
    x, t = given()
    (tmp_path / "given").write_bytes(x.tobytes() + t.astype(np.int64).tobytes())
    (tmp_path / "run.mjs").write_text(IN_NODE)
    names = [str(tmp_path / name) for name in ("run.mjs", "net.wasm", "given", "found")]
    subprocess.run([node, *names, *map(str, SIZES.values())], check=True, timeout=120)
    check(tmp_path / "found", of)


def test_the_workspace_of_webassembly_has_sizes_of_its_addresses(tmp_path: Path) -> None:
    """C's size_t has 32 bits there: what does not fit cannot be had, and is not less."""
    from graphc.backends.llvm.artefact_sizes import with_sizes

    text = "declare ptr @aligned_alloc(i64, i64)\ndefine ptr @f(i64 %n) {\n"
    text += "  %p = call ptr @aligned_alloc(i64 64, i64 %n)\n  ret ptr %p\n}\n"
    assert with_sizes(text, 64) == text
    narrow = with_sizes(text, 32)
    assert "call ptr @gc_aligned_alloc(i64 64, i64 %n)" in narrow
    assert "call ptr @aligned_alloc(i32 %n0, i32 %n1)" in narrow
    assert "llvm.umin.i64(i64 %a1, i64 4294967232)" in narrow


def test_a_library_of_other_machines_is_told_as_such(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    isa = "riscv64" if platform.machine() != "riscv64" else "aarch64"
    made = gc.export([x], x + 1, tmp_path / "model", isa=isa)
    file = made.object.rename(tmp_path / "other.so")
    with pytest.raises(gc.UnsupportedError, match=f"was made for {isa}, and this machine is"):
        gc.load(file)
