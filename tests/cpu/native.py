"""Small hand-written native functions that tests call through the caller and the pool."""

from __future__ import annotations

import functools

import numpy as np

from graphc.backends.cpu.callspec import CallSpec, InputSpec, OutputSpec
from graphc.backends.llvm.engine import compile_object, host_target
from graphc.backends.llvm.jit import Library, load_object

F32 = np.dtype(np.float32)
REFUSED_SIZE = 13
REFUSED_VALUE = -1.0

INCREMENT = """
@shift = global float 1.0
@calls = global i64 0
@entered = global i64 0

; Plans one vector as long as size 0; refuses a length of 13.
define i64 @plan(ptr %sizes, ptr %out) {
  %n = load i64, ptr %sizes
  %odd = icmp eq i64 %n, 13
  br i1 %odd, label %refuse, label %accept
refuse:
  %value = getelementptr i64, ptr %sizes, i64 2
  store i64 %n, ptr %value
  ret i64 5
accept:
  store i64 4096, ptr %out
  %bytes = shl i64 %n, 2
  %work = getelementptr i64, ptr %out, i64 1
  store i64 %bytes, ptr %work
  %extent = getelementptr i64, ptr %out, i64 2
  store i64 %n, ptr %extent
  ret i64 0
}

; y = x + shift; refuses x[0] == -1; the whole arena is written.
define i64 @run(ptr %buffers, ptr %sizes, ptr %arena) {
entry:
  %slot = getelementptr ptr, ptr %buffers, i64 1
  %state.p = getelementptr ptr, ptr %buffers, i64 2
  %x = load ptr, ptr %buffers
  %y = load ptr, ptr %slot
  %state = load ptr, ptr %state.p
  %shift = load float, ptr %state
  %n = load i64, ptr %sizes
  call void @llvm.memset.p0.i64(ptr %arena, i8 -1, i64 4096, i1 false)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %write ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %read, label %done
read:
  %x.p = getelementptr float, ptr %x, i64 %i
  %v = load float, ptr %x.p
  %bad = fcmp oeq float %v, -1.0
  br i1 %bad, label %refuse, label %write
write:
  %sum = fadd float %v, %shift
  %y.p = getelementptr float, ptr %y, i64 %i
  store float %sum, ptr %y.p
  %i.next = add i64 %i, 1
  br label %next
refuse:
  %value = getelementptr i64, ptr %sizes, i64 2
  store i64 %i, ptr %value
  ret i64 7
done:
  ret i64 0
}

; As long as the others sleep in here, `entered` shows how many they are; 9 if ever more than one.
define i64 @run_alone(ptr %buffers, ptr %sizes, ptr %arena) {
  %before = atomicrmw add ptr @entered, i64 1 seq_cst
  %pause = call i32 @usleep(i32 500)
  %after = atomicrmw sub ptr @entered, i64 1 seq_cst
  %shared = icmp ne i64 %before, 0
  %code = select i1 %shared, i64 9, i64 0
  ret i64 %code
}

; Extents too large for any memory.
define i64 @plan_absurd(ptr %sizes, ptr %out) {
  store i64 0, ptr %out
  %work = getelementptr i64, ptr %out, i64 1
  store i64 0, ptr %work
  %extent = getelementptr i64, ptr %out, i64 2
  store i64 4611686018427387904, ptr %extent
  ret i64 0
}

; An arena too large for any memory.
define i64 @plan_vast(ptr %sizes, ptr %out) {
  %code = call i64 @plan(ptr %sizes, ptr %out)
  store i64 1152921504606846976, ptr %out
  ret i64 0
}

; Work of a gigabyte, so that the interpreter lock is released.
define i64 @plan_long(ptr %sizes, ptr %out) {
  %code = call i64 @plan(ptr %sizes, ptr %out)
  %work = getelementptr i64, ptr %out, i64 1
  store i64 1073741824, ptr %work
  ret i64 %code
}

; Two inputs [n, 3] and [k], outputs [n, k] and []: the sizes as floats.
define i64 @plan_two(ptr %sizes, ptr %out) {
  store i64 0, ptr %out
  %work = getelementptr i64, ptr %out, i64 1
  store i64 0, ptr %work
  %extents = getelementptr i64, ptr %out, i64 2
  call void @llvm.memcpy.p0.p0.i64(ptr %extents, ptr %sizes, i64 16, i1 false)
  ret i64 0
}
define i64 @run_two(ptr %buffers, ptr %sizes, ptr %arena) {
entry:
  %first.p = getelementptr ptr, ptr %buffers, i64 2
  %first = load ptr, ptr %first.p
  %second.p = getelementptr ptr, ptr %buffers, i64 3
  %second = load ptr, ptr %second.p
  %n = load i64, ptr %sizes
  %k.p = getelementptr i64, ptr %sizes, i64 1
  %k = load i64, ptr %k.p
  %total = mul i64 %n, %k
  %real = sitofp i64 %total to float
  store float %real, ptr %second
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %put ]
  %more = icmp slt i64 %i, %total
  br i1 %more, label %put, label %done
put:
  %p = getelementptr float, ptr %first, i64 %i
  %value = sitofp i64 %i to float
  store float %value, ptr %p
  %i.next = add i64 %i, 1
  br label %next
done:
  ret i64 0
}

declare i32 @usleep(i32)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


@functools.cache
def library() -> Library:
    return load_object(compile_object(INCREMENT, host_target()), {}, keep=True)


def prepare(arguments: tuple[object, ...], keywords: dict[str, object] | None) -> tuple[object]:
    """Accepts one array-like, by position or as x=."""
    values = [*arguments, *(keywords or {}).values()]
    if len(values) != 1:
        raise TypeError(f"expected 1 argument, got {len(values)}")
    return (np.ascontiguousarray(values[0], np.float32),)


def fail(code: int, value: int, sizes: tuple[int, ...], inputs: int) -> None:
    raise ValueError(f"code {code} value {value} sizes {sizes}")


def increment_spec(**changes: object) -> CallSpec:
    """y = x + 1 over a float32 vector of any length."""
    code = library()
    fields: dict[str, object] = {
        "name": "increment",
        "inputs": (InputSpec("x", F32, (("bind", 0),)),),
        "outputs": (OutputSpec(F32, 1),),
        "variables": (code.address("shift"),),
        "sizes": 1,
        "structure": "one",
        "plan": code.address("plan"),
        "run": code.address("run"),
        "stateful": False,
        "prepare": prepare,
        "fail": fail,
    }
    return CallSpec(**{**fields, **changes})  # type: ignore[arg-type]


def two_spec(structure: str, **changes: object) -> CallSpec:
    """a[n, 3], b[k] -> an array of shape (n, k) counting up, and the 0-d product of n and k."""
    return increment_spec(
        **{
            "name": "two",
            "inputs": (
                InputSpec("a", F32, (("bind", 0), ("const", 3))),
                InputSpec("b", F32, (("free", 1),)),
            ),
            "outputs": (OutputSpec(F32, 2), OutputSpec(F32, 0)),
            "variables": (),
            "sizes": 2,
            "structure": structure,
            "plan": library().address("plan_two"),
            "run": library().address("run_two"),
            "prepare": lambda arguments, keywords: arguments,
            **changes,
        }
    )
