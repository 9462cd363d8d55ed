"""Kernels as text: what is said once, and in which order."""

from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import Let, LoopKernel, Store
from graphc.backends.loops.text import body_text, kernel_text
from graphc.ir.dtypes import float32, int64

INDEX = e.var("i")


def test_neighbouring_definitions_share_names() -> None:
    root = e.math("sqrt", e.load("a", INDEX * 2, float32))
    body = (Let("x", root + 1.0), Let("y", root * 2.0))
    assert body_text(body, 0) == [
        "e0 = sqrt(a[(i * 2)])",
        "x = (e0 + 1.0f32)",
        "y = (e0 * 2.0f32)",
    ]


def test_a_shared_part_is_named_after_what_it_reads_is_defined() -> None:
    j = e.var("j")
    part = e.load("a", j * 3, float32)
    body = (Let("j", INDEX + 1), Let("x", part + 1.0), Let("y", part * 2.0))
    assert body_text(body, 0)[:3] == ["j = (i + 1)", "e0 = a[(j * 3)]", "x = (e0 + 1.0f32)"]


def test_what_a_store_may_have_changed_is_read_again() -> None:
    value = e.math("sqrt", e.load("a", INDEX * 2, float32))
    store = Store("a", e.const(0, int64), value)
    assert body_text((Let("x", value), store, Let("y", value)), 0) == [
        "x = sqrt(a[(i * 2)])",
        "a[0] = sqrt(a[(i * 2)])",
        "y = sqrt(a[(i * 2)])",
    ]


def test_what_the_number_of_chunks_uses_several_times_is_named_below_it() -> None:
    each = e.math("max", e.var("size.n") * 2, e.const(1, int64))
    kernel = LoopKernel("k", (), ("size.n",), (each + 7) / each, ())
    assert kernel_text(kernel).splitlines() == [
        "kernel k(; sizes n) chunks ((c0 + 7) / c0):",
        "  c0 = max((n * 2), 1)",
    ]
