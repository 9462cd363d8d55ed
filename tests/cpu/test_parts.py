"""A big module in parts: every function once, sizes balanced, the same results."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphc as gc
from graphc.backends.llvm import module, parts
from graphc.backends.llvm.parts import parts_of

KERNELS = {f"k{i}": f"define internal void @k{i}(ptr %f, i64 %c) {{{' ' * i}}}" for i in range(20)}
FUNCTIONS = {**KERNELS, "gc_run": "define i64 @gc_run() { ret i64 0 }"}


def defined(text: str) -> list[str]:
    return re.findall(r"define .*?@([\w.]+)\(", text)


@pytest.mark.parametrize("size", [1, 100, 300, 10**6])
def test_every_function_is_in_one_part(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(parts, "PART_SIZE", size)
    texts = parts_of(FUNCTIONS, tuple(KERNELS), ["declare void @gc_parallel(ptr, ptr, i64)"])
    assert sorted(name for text in texts for name in defined(text)) == sorted(FUNCTIONS)
    assert "gc_run" in defined(texts[-1])
    assert all("declare void @gc_parallel" in text for text in texts)
    assert len(texts) == {1: parts.MOST_PARTS, 100: 8, 300: 3, 10**6: 1}[size]
    assert max(map(len, texts[:-1]), default=0) - min(map(len, texts[:-1]), default=0) < 200


def test_the_last_part_declares_what_others_define(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_SIZE", 300)
    *others, last = parts_of(FUNCTIONS, tuple(KERNELS), [])
    declared = re.findall(r"declare void @(\w+)\(ptr, i64\)", last)
    assert sorted(declared) == sorted(name for text in others for name in defined(text))
    assert not any("internal" in text for text in others)


def test_a_program_in_parts_computes_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    x, w = gc.placeholder("x", ("n", 5, 4)), gc.placeholder("w", (4, 4))

    def cell(h: gc.Tensor, u: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.tanh(h @ w + u)
        return new, gc.sum(new, axis=1)

    last, sums = gc.scan(cell, x[0], x)
    outputs = [last, sums, gc.softmax(x, axis=2), *gc.grad(gc.sum(last * last), [x, w])]
    arguments = [
        np.random.default_rng(0).normal(size=s).astype(np.float32) for s in [(6, 5, 4), (4, 4)]
    ]
    results = []
    for size in (10**9, 1000):
        monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setattr(parts, "PART_SIZE", size)
        step = gc.compile([x, w], outputs)
        results.append(step(*arguments))
        assert step.program is not None
        assert len(module.module_of(step.program).parts) == (
            1 if size > 10**6 else parts.MOST_PARTS
        )
        again = gc.compile([x, w], outputs)
        assert again.from_cache
        results.append(again(*arguments))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
