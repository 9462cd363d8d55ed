"""What a program hands to the threads that do parts of it: a frame of the pointers they need."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested


def emit_frame(
    values: Values, nested: Nested, prefix: str, pointer: Callable[[Buffer], str]
) -> str:
    """The statements that fill the frame: the table of sizes, and the arguments; its name."""
    words = ["%sizes", *map(pointer, nested.arguments)]
    frame = f"%frame.{prefix}"
    values.emit(f"{frame} = alloca [{len(words)} x ptr], align 16")
    for k, word in enumerate(words):
        at = values.assign(f"getelementptr ptr, ptr {frame}, i64 {k}")
        values.emit(f"store ptr {word}, ptr {at}")
    return frame


def emit_words(values: Values, nested: Nested) -> dict[Buffer, str]:
    """The statements that read the frame, before all others so far; the arguments' names."""
    lines, values.lines[:] = list(values.lines), []
    names = ["%sizes", *(f"%word.{k}" for k in range(1, 1 + len(nested.arguments)))]
    for k, name in enumerate(names):
        at = values.assign(f"getelementptr ptr, ptr %frame, i64 {k}")
        values.emit(f"{name} = load ptr, ptr {at}")
    values.lines += lines
    return dict(zip(nested.arguments, names[1:], strict=True))
