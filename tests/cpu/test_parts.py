"""A big module in parts: every function once, none too large, the same results."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphc as gc
from graphc.backends.llvm import parts as module
from graphc.backends.llvm.module import emit_parts
from graphc.backends.llvm.parts import Parts

KERNELS = {f"k{i}": f"define internal void @k{i}(ptr %f, i64 %c) {{{' ' * i}}}" for i in range(20)}
RUN = "define i64 @gc_run() { ret i64 0 }"


def texts_of(size: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(module, "PART_SIZE", size)
    texts: list[str] = []
    parts = Parts(texts.append)
    for name in [*KERNELS, "k3", "k19"]:
        parts.add(name, KERNELS[name], [f"declare void @needed_by_{name}()"])
    return [*texts, parts.last({}, {"gc_run": RUN}, ["declare void @needed_by_k19()"])[0]]


def defined(text: str) -> list[str]:
    return re.findall(r"define .*?@(\w+)\(", text)


@pytest.mark.parametrize(("size", "count"), [(1, 21), (100, 9), (400, 3), (10**6, 1)])
def test_every_function_is_in_one_part(
    monkeypatch: pytest.MonkeyPatch, size: int, count: int
) -> None:
    texts = texts_of(size, monkeypatch)
    assert [name for text in texts for name in defined(text)] == [*KERNELS, "gc_run"]
    assert len(texts) == count


def test_the_last_part_declares_what_others_define(monkeypatch: pytest.MonkeyPatch) -> None:
    *others, last = texts_of(300, monkeypatch)
    declared = re.findall(r"declare void @(\w+)\(ptr, i64\)", last)
    assert declared == [name for text in others for name in defined(text)]
    assert not any("internal" in text for text in others)
    assert last.count("internal") == len(KERNELS) - len(declared)


def test_a_part_declares_what_its_kernels_need(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in texts_of(300, monkeypatch)[:-1]:
        needed = re.findall(r"declare void @needed_by_(\w+)\(\)", text)
        assert needed == defined(text)


def test_a_large_kernel_is_a_part_that_other_programs_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def texts(*outputs: gc.Tensor) -> set[str]:
        found: list[str] = []
        program = gc.compile([a, b], list(outputs)).program
        assert program is not None
        emit_parts(program, found.append)
        return set(found)

    a, b = gc.placeholder("a", (64, 64)), gc.placeholder("b", (64, 64))
    monkeypatch.setattr(module, "LARGE", 10_000)
    one, other = texts(a @ b, gc.sum(a)), texts(gc.exp(a), a @ b)
    assert len(one) == 1 and one <= other


def test_a_long_entry_is_apart_and_compiled_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = "define internal i64 @gc.3_run(ptr %bufs, ptr noalias %sizes) nounwind { ret i64 0 }"
    for limit, count in ((1000, 1), (10, 2)):
        monkeypatch.setattr(module, "LONG", limit)
        texts: list[str] = []
        parts = Parts(texts.append)
        parts.add("k1", KERNELS["k1"], ["declare void @needed()"])
        last, level = parts.last({"gc.3_run": inner}, {"gc_run": RUN}, ["declare void @needed()"])
        assert (len(texts) + 1, level) == (count, {1: 1, 2: 0}[count])
    assert defined(last) == ["gc_run"]
    assert "declare i64 @gc.3_run(ptr, ptr noalias)" in last
    assert "declare void @k1(ptr, i64)" in last
    assert "internal" not in texts[0]
    assert texts[0].count("define") == 2


@pytest.mark.parametrize("long", [10**9, 1])
def test_a_program_in_parts_computes_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, long: int
) -> None:
    monkeypatch.setattr(module, "LONG", long)
    x, w = gc.placeholder("x", ("n", 5, 4)), gc.placeholder("w", (4, 4))

    def cell(h: gc.Tensor, u: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.tanh(h @ w + u)
        return new, gc.sum(new, axis=1)

    last, sums = gc.scan(cell, x[0], x)
    outputs = [last, sums, gc.softmax(x, axis=2), *gc.grad(gc.sum(last * last), [x, w])]
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shape).astype(np.float32) for shape in [(6, 5, 4), (4, 4)]]
    results, counts = [], []
    for size in (10**9, 1000):
        monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setattr(module, "PART_SIZE", size)
        monkeypatch.setattr(module, "LARGE", size)
        step, again = gc.compile([x, w], outputs), gc.compile([x, w], outputs)
        assert again.from_cache
        assert step.program is not None
        texts: list[str] = []
        emit_parts(step.program, texts.append)
        counts.append(len(texts))
        results += [step(*arguments), again(*arguments)]
    assert counts[0] == (long == 1)
    assert counts[1] > 3
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_bodies_of_kernels_and_loops_are_optimised(monkeypatch: pytest.MonkeyPatch) -> None:
    def optimised(*outputs: gc.Tensor) -> set[str]:
        program = gc.compile([x], list(outputs)).program
        assert program is not None
        text, _ = emit_parts(program, lambda _: None)
        heads = re.findall(r"^define .*?@([\w.]+)\(.*\) (.*) \{$", text, re.MULTILINE)
        return {re.sub("_[0-9a-f]{12}", "", name) for name, how in heads if "optnone" not in how}

    x = gc.placeholder("x", ("n", 4))
    assert optimised(x + 1) == {"nest_add.body"}
    looping, _ = gc.scan(lambda h, u: (h + u, h), x[0], x)
    assert {"gc_plan", "gc_run"} <= optimised(looping)
    monkeypatch.setattr(module, "LARGE", 10)
    program = gc.compile([x], x + 1).program
    assert program is not None
    assert emit_parts(program, lambda _: None)[1] == module.PLAIN
