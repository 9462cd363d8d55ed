"""On which CPUs workers of the thread pool run, as LLVM IR: not on that of their caller.

A system may wake a worker on the CPU of its caller, and leave it there though others are idle.
"""

from __future__ import annotations

from graphc.backends.cpu.runtime_sleep import knows_system

_PART_IR = """
; Moves a worker off a CPU if it is there and may use others, for as long as work comes from that
; CPU.
define internal void @gc_part_from(i32 %cpu, ptr %home) {
entry:
  %here = call i32 @gc_place()
  %same = icmp eq i32 %here, %cpu
  %spins = load atomic i32, ptr @gc_spins monotonic, align 4
  %roomy = icmp ne i32 %spins, 0
  %move = and i1 %same, %roomy
  br i1 %move, label %leave, label %done
leave:
  call void @gc_leave(i32 %cpu, ptr %home)
  br label %done
done:
  ret void
}

"""

_LINUX_IR = """
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @sched_getcpu()

; The CPU that this thread is on, or -1.
define internal i32 @gc_place() alwaysinline {
  %cpu = call i32 @sched_getcpu()
  ret i32 %cpu
}

; Where this thread may run: at its start, as whoever started it.
define internal void @gc_find_home(ptr %home) noinline {
  call void @llvm.memset.p0.i64(ptr %home, i8 0, i64 1024, i1 false)
  %failed = call i32 @sched_getaffinity(i32 0, i64 1024, ptr %home)
  ret void
}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; Lets this thread run wherever it might at its start and its process may, except on one CPU, if any
; is left then.
define internal void @gc_leave(i32 %cpu, ptr %home) noinline {
entry:
  %set = alloca [128 x i64]
  %cleared = call ptr @memset(ptr %set, i32 0, i64 1024)
  %process = call i32 @getpid()
  %failed = call i32 @sched_getaffinity(i32 %process, i64 1024, ptr %set)
  %known = icmp eq i32 %failed, 0
  %valid = icmp ult i32 %cpu, 8192
  %possible = and i1 %known, %valid
  br i1 %possible, label %both, label %done
both:
  %i = phi i64 [ 0, %entry ], [ %i.next, %both ]
  %here.p = getelementptr i64, ptr %set, i64 %i
  %home.p = getelementptr i64, ptr %home, i64 %i
  %here = load i64, ptr %here.p
  %there = load i64, ptr %home.p
  %common = and i64 %here, %there
  store i64 %common, ptr %here.p
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 128
  br i1 %more, label %both, label %move
move:
  %word = lshr i32 %cpu, 6
  %word.p = getelementptr i64, ptr %set, i32 %word
  %bit = and i32 %cpu, 63
  %bit64 = zext i32 %bit to i64
  %mask = shl i64 1, %bit64
  %others = xor i64 %mask, -1
  %old = load i64, ptr %word.p
  %new = and i64 %old, %others
  store i64 %new, ptr %word.p
  %refused = call i32 @sched_setaffinity(i32 0, i64 1024, ptr %set)
  br label %done
done:
  ret void
}
"""

_PORTABLE_IR = """
define internal i32 @gc_place() alwaysinline {
  ret i32 -1
}
define internal void @gc_find_home(ptr %home) alwaysinline {
  ret void
}
define internal void @gc_leave(i32 %cpu, ptr %home) alwaysinline {
  ret void
}
"""


def places_ir(triple: str) -> str:
    """IR of gc_place and gc_part_from for a target triple."""
    return _PART_IR + (_LINUX_IR if knows_system(triple) else _PORTABLE_IR)
