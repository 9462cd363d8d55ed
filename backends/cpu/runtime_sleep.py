"""The parts of the thread pool that differ by system and processor: sleep, pause, CPUs, rounding.

Elsewhere than on Linux sleeping is a short nap, repeated by the caller until the word has changed.
"""

from __future__ import annotations

_LINUX_IR = """
declare i64 @syscall(i64, ...)
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i64 @llvm.ctpop.i64(i64)
declare ptr @memset(ptr, i32, i64)

; Sleeps unless the word has changed; may return for no reason.
define internal void @gc_sleep(ptr %word, i32 %old) noinline {
  %r = call i64 (i64, ...) @syscall(
      i64 FUTEX, ptr %word, i32 128, i32 %old, ptr null, ptr null, i32 0)
  ret void
}

define internal void @gc_wake(ptr %word, i32 %asleep) alwaysinline {
  %idle = icmp eq i32 %asleep, 0
  br i1 %idle, label %done, label %wake
wake:
  %r = call i64 (i64, ...) @syscall(
      i64 FUTEX, ptr %word, i32 129, i32 1, ptr null, ptr null, i32 0)
  br label %done
done:
  ret void
}

; CPUs that this process may run on.
define internal i32 @gc_cpus() noinline {
entry:
  %set = alloca [128 x i64]
  %cleared = call ptr @memset(ptr %set, i32 0, i64 1024)
  %failed = call i32 @sched_getaffinity(i32 0, i64 1024, ptr %set)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %sum = phi i64 [ 0, %entry ], [ %sum.next, %next ]
  %word.p = getelementptr i64, ptr %set, i64 %i
  %word = load i64, ptr %word.p
  %ones = call i64 @llvm.ctpop.i64(i64 %word)
  %sum.next = add i64 %sum, %ones
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, 128
  br i1 %more, label %next, label %done
done:
  %count = trunc i64 %sum.next to i32
  %some = icmp sgt i32 %count, 0
  %cpus = select i1 %some, i32 %count, i32 1
  ret i32 %cpus
}
"""

_PORTABLE_IR = """
declare i32 @usleep(i32)
define internal void @gc_sleep(ptr %word, i32 %old) noinline {
  %r = call i32 @usleep(i32 50)
  ret void
}
define internal void @gc_wake(ptr %word, i32 %asleep) alwaysinline {
  ret void
}
define internal i32 @gc_cpus() noinline {
  ret i32 1
}
"""

_X86_IR = """
declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal void @gc_pause() alwaysinline {
  call void @llvm.x86.sse2.pause()
  ret void
}

; Rounding and flushing: a worker computes in the mode of its caller.
define internal i32 @gc_get_float_mode() {
  %slot = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %slot)
  %mode = load i32, ptr %slot
  ret i32 %mode
}
define internal void @gc_set_float_mode(i32 %mode) {
  %slot = alloca i32
  store i32 %mode, ptr %slot
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  ret void
}
"""

_ARM_IR = """
declare void @llvm.aarch64.hint(i32)
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal void @gc_pause() alwaysinline {
  call void @llvm.aarch64.hint(i32 1)
  ret void
}

; As on x86.
define internal i32 @gc_get_float_mode() {
  %word = call i64 @llvm.aarch64.get.fpcr()
  %mode = trunc i64 %word to i32
  ret i32 %mode
}
define internal void @gc_set_float_mode(i32 %mode) {
  %word = zext i32 %mode to i64
  call void @llvm.aarch64.set.fpcr(i64 %word)
  ret void
}
"""

_OTHER_IR = """
define internal void @gc_pause() alwaysinline {
  fence syncscope("singlethread") seq_cst
  ret void
}
define internal i32 @gc_get_float_mode() {
  ret i32 0
}
define internal void @gc_set_float_mode(i32 %mode) {
  ret void
}
"""

_PROCESSORS = {"x86_64": _X86_IR, "aarch64": _ARM_IR, "arm64": _ARM_IR}
_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
"""The number of the futex system call."""


def knows_system(triple: str) -> bool:
    """Whether the system's own calls are used on such a target."""
    return "linux" in triple and triple.split("-")[0] in _FUTEX


def sleep_ir(triple: str) -> str:
    """IR of gc_sleep, gc_wake, gc_cpus, gc_pause and the float modes for a target triple."""
    processor = triple.split("-")[0]
    system = _PORTABLE_IR
    if knows_system(triple):
        system = _LINUX_IR.replace("FUTEX", str(_FUTEX[processor]))
    return system + _PROCESSORS.get(processor, _OTHER_IR)
