"""The Python text of a kernel, to the letter."""

from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import (
    Accumulate,
    Check,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Store,
)
from graphc.backends.numba.module import module_text
from graphc.ir.dtypes import float16, float32, int32, int64

CHUNK, INDEX, SIZE = e.var("chunk"), e.var("i"), e.var("size.range")
X, K, S = e.var("x", float32), e.var("k", int32), e.var("s", float32)
BUFFERS = (
    Param("a", float32),
    Param("b", int32),
    Param("h", float16, True),
    Param("o", float32, True),
)

KERNEL = LoopKernel(
    "rows",
    BUFFERS,
    ("size.range",),
    (SIZE + 7) / 8,
    (
        Declare("s", e.const(0, float32)),
        For(
            "i",
            CHUNK * 8,
            e.minimum(CHUNK * 8 + 8, SIZE),
            (
                Let("x", e.load("a", INDEX, float32, INDEX + 1 < SIZE)),
                Let("k", e.load("b", INDEX, int32) * 3 - 1),
                Check((K >= 0) & ~(K > 5), 2, e.cast(K, int64)),
                If(e.equal(e.rem(K, 2), 0), (Store("h", INDEX, e.cast(X, float16)),)),
                Accumulate("s", "sum", e.select(X < 0.5, e.math("exp", -X), e.fma(X, X, 0.1))),
            ),
        ),
        Store("o", CHUNK, S),
    ),
)

TEXT = '''\
status, a, b, h, o, range_2):
    """writes h (float16), o (float32)."""
    for chunk in range(quotient(range_2 + 7, 8)):
        s = f32(0.0)
        t = chunk * 8
        for i in range(t, minimum(t + 8, range_2)):
            x = a[i] if i + 1 < range_2 else f32(0.0)
            k = i32(i32(b[i] * i32(3)) - i32(1))
            if not (k >= i32(0)) & (not k > i32(5)):
                if status[0] == 0 or status[0] > 2 or status[0] == 2 and status[1] < i64(k):
                    status[0] = 2
                    status[1] = i64(k)
            if remainder(k, i32(2)) == i32(0):
                h[i] = to_half(x)
            s += select(x < f32(0.5), exp(-x), fma(x, x, f32(0.1)))
        o[chunk] = s
'''


def test_a_kernel_reads_like_a_program() -> None:
    text = module_text([KERNEL])
    assert text[text.index("def ") :].partition("(")[2] == TEXT
