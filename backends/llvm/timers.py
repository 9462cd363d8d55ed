"""Timers around the kernels of a program, for finding out which schedules are quick."""

from __future__ import annotations

from graphc.backends.llvm.values import Values
from graphc.backends.program import Program
from graphc.passes.fusion.body import Body

MOST = 1 << 14
"""Calls of kernels in a program, at most."""

TIMERS_IR = """
%Time = type { i64, i64 }

@gc_spent = internal global [MOST x i64] zeroinitializer

declare i32 @clock_gettime(i32, ptr)

; Nanoseconds of a clock that only goes forward.
define i64 @gc_timer_begin() nounwind {
  %time = alloca %Time
  %ok = call i32 @clock_gettime(i32 1, ptr %time)
  %more = getelementptr %Time, ptr %time, i64 0, i32 1
  %seconds = load i64, ptr %time
  %rest = load i64, ptr %more
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}

; Adds the time since a beginning to that of a call, which several threads may make at once.
define void @gc_timer_end(i64 %call, i64 %begun) nounwind {
  %now = call i64 @gc_timer_begin()
  %spent = sub i64 %now, %begun
  %at = getelementptr [MOST x i64], ptr @gc_spent, i64 0, i64 %call
  %before = atomicrmw add ptr %at, i64 %spent monotonic
  ret void
}

define ptr @gc_timers() nounwind {
  ret ptr @gc_spent
}
""".replace("MOST", str(MOST))
"""One table for a process: timed programs run one at a time."""


class Timers:
    """Numbers the calls of a program and of those nested in it; `bodies` are what they compute."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []

    def begin(self, values: Values) -> str:
        """Writes down the time before a call."""
        values.declarations["declare i64 @gc_timer_begin()"] = None
        return values.assign("call i64 @gc_timer_begin()")

    def end(self, values: Values, program: Program, call: int, begun: str) -> None:
        """Adds up the time of a call, under the next number."""
        assert len(self.bodies) < MOST, f"more than {MOST} calls of kernels"
        values.declarations["declare void @gc_timer_end(i64, i64)"] = None
        values.emit(f"call void @gc_timer_end(i64 {len(self.bodies)}, i64 {begun})")
        self.bodies.append(program.bodies[program.owners[call]])
