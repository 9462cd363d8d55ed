"""The thread pool as LLVM IR: compiled once into a process, or linked into an artefact.

    void gc_parallel(ptr fn, ptr frame, i64 chunks)   fn(frame, chunk) for every chunk, on the pool;
                                                      none where chunks < 0
    void gc_set_threads(i32 count)                    threads that take part, the caller included
    i32  gc_get_threads()
    void gc_stop_threads()                            ends the workers; the next job starts new ones

Each thread has a contiguous range of chunks, and takes what is left of the others' when it is done:
who runs a chunk depends on who is free, what the chunk computes never does. A caller that finds the
pool taken (another thread, or a chunk that calls again) runs its chunks itself. Workers spin for
some ten microseconds, then sleep in the kernel; where there are more threads than CPUs nobody
spins. A worker that finds itself on the CPU of its caller, though the process and who started it
may use others, moves to one of these. After a fork the child starts its own workers.

Hand-over: the caller fills the job, then adds one to each worker's ticket (release); a worker that
sees its ticket change (acquire) reads the job and at last counts down `pending` (release), which
the caller awaits (acquire). A sleeper first raises its flag, then sleeps only if the word is still
unchanged, while the other side first changes the word, then looks at the flag, all sequentially
consistent: one of the two always notices.
"""

from __future__ import annotations

from graphc.backends.cpu.runtime_alone import ALONE_IR
from graphc.backends.cpu.runtime_chunks import CHUNKS_IR, FEW_CHUNKS
from graphc.backends.cpu.runtime_places import places_ir
from graphc.backends.cpu.runtime_sleep import sleep_ir
from graphc.backends.cpu.runtime_workers import WORKERS_IR
from graphc.backends.llvm.target import Target

MAX_THREADS = 256
LEAST_STACK = 1 << 20
"""Bytes of stack that a worker has, or more: kernels take half of that (`program.stack_bytes`)."""
SPINS = 2000

_POOL_IR = """
%Worker = type { i32, i32, i64, [112 x i8] }  ; ticket, asleep, thread, padding to 128 bytes
%Job = type { ptr, ptr, i64, i64, i32, i32 }  ; fn, frame, chunks, parts, float mode, caller's CPU
%Range = type { i64, i64, [112 x i8] }        ; next chunk, end, padding to 128 bytes
%Finish = type { i32, i32, [120 x i8] }       ; workers still at it, caller asleep

@gc_workers = internal global [MAX_THREADS x %Worker] zeroinitializer, align 128
@gc_ranges = internal global [MAX_THREADS x %Range] zeroinitializer, align 128
@gc_job = internal global %Job zeroinitializer, align 128
@gc_finish = internal global %Finish zeroinitializer, align 128
@gc_busy = internal global i32 0, align 128
@gc_owner = internal global i32 0   ; the process whose workers these are; -1 while being reset
@gc_started = internal global i32 0
@gc_count = internal global i32 0   ; 0: not yet decided
@gc_spins = internal global i32 0

declare i32 @getpid()
declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_attr_init(ptr)
declare i32 @pthread_attr_getstacksize(ptr, ptr)
declare i32 @pthread_attr_setstacksize(ptr, i64)
declare i32 @pthread_attr_destroy(ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)

define i32 @gc_get_threads() {
  %count = load atomic i32, ptr @gc_count monotonic, align 4
  %known = icmp ne i32 %count, 0
  br i1 %known, label %done, label %decide
decide:
  %cpus = call i32 @gc_cpus()
  call void @gc_set_threads(i32 %cpus)
  %decided = load atomic i32, ptr @gc_count monotonic, align 4
  ret i32 %decided
done:
  ret i32 %count
}

define void @gc_set_threads(i32 %wish) {
  %low = call i32 @llvm.smax.i32(i32 %wish, i32 1)
  %count = call i32 @llvm.smin.i32(i32 %low, i32 MAX_THREADS)
  %cpus = call i32 @gc_cpus()
  %crowded = icmp sgt i32 %count, %cpus
  %spins = select i1 %crowded, i32 0, i32 SPINS
  store atomic i32 %spins, ptr @gc_spins monotonic, align 4
  store atomic i32 %count, ptr @gc_count monotonic, align 4
  ret void
}
declare i32 @llvm.smax.i32(i32, i32)
declare i32 @llvm.smin.i32(i32, i32)
declare i64 @llvm.smax.i64(i64, i64)

"""

_CALL_IR = """
define internal i1 @gc_take_pool() {
  %pair = cmpxchg ptr @gc_busy, i32 0, i32 1 acquire monotonic
  %won = extractvalue { i32, i1 } %pair, 1
  ret i1 %won
}

define void @gc_parallel(ptr %fn, ptr %frame, i64 %asked) {
entry:
  %chunks = call i64 @llvm.smax.i64(i64 %asked, i64 0)
  %count = call i32 @gc_get_threads()
  %threads = zext i32 %count to i64
  %fewer = icmp ult i64 %chunks, %threads
  %wish = select i1 %fewer, i64 %chunks, i64 %threads
  %single = icmp ule i64 %wish, 1
  br i1 %single, label %alone, label %adopt
adopt:
  %adopted = call i1 @gc_adopt()
  br i1 %adopted, label %take, label %alone
take:
  %taken = call i1 @gc_take_pool()
  br i1 %taken, label %recruit, label %alone
recruit:
  %wish32 = trunc i64 %wish to i32
  %wanted = sub i32 %wish32, 1
  %have = call i32 @gc_recruit(i32 %wanted)
  %none = icmp eq i32 %have, 0
  br i1 %none, label %unmanned, label %job
unmanned:
  store atomic i32 0, ptr @gc_busy release, align 4
  br label %alone
job:
  %helpers32 = call i32 @llvm.smin.i32(i32 %have, i32 %wanted)
  %helpers = zext i32 %helpers32 to i64
  %parts = add i64 %helpers, 1
  %mode = call i32 @gc_get_float_mode()
  store ptr %fn, ptr @gc_job
  store ptr %frame, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 1)
  store i64 %chunks, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 2)
  store i64 %parts, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 3)
  store i32 %mode, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 4)
  %cpu = call i32 @gc_place()
  store i32 %cpu, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 5)
  call void @gc_divide(i64 %chunks, i64 %parts)
  store atomic i32 %helpers32, ptr @gc_finish monotonic, align 4
  call void @gc_publish(i64 %helpers)
  call void @gc_share(ptr %fn, ptr %frame, i64 %chunks, i64 %parts, i64 0)
  br label %await
await:
  %left = load atomic i32, ptr @gc_finish acquire, align 4
  %over = icmp eq i32 %left, 0
  br i1 %over, label %release, label %wait
wait:
  %changed = call i32 @gc_await(ptr @gc_finish,
      ptr getelementptr (%Finish, ptr @gc_finish, i32 0, i32 1), i32 %left)
  br label %await
release:
  store atomic i32 0, ptr @gc_busy release, align 4
  ret void
alone:
  call void @gc_range(ptr %fn, ptr %frame, i64 %chunks, i64 1, i64 0)
  ret void
}

define void @gc_stop_threads() {
entry:
  %here = call i32 @getpid()
  %owner = load atomic i32, ptr @gc_owner acquire, align 4
  %ours = icmp eq i32 %owner, %here
  br i1 %ours, label %try, label %return
return:
  ret void
try:
  %taken = call i1 @gc_take_pool()
  br i1 %taken, label %stop, label %yield
yield:
  %y = call i32 @sched_yield()
  br label %try
stop:
  %started32 = load i32, ptr @gc_started
  %started = zext i32 %started32 to i64
  store ptr null, ptr @gc_job
  call void @gc_publish(i64 %started)
  br label %next
next:
  %t = phi i64 [ 1, %stop ], [ %t.next, %join ]
  %more = icmp ule i64 %t, %started
  br i1 %more, label %join, label %done
join:
  %thread.p = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t, i32 2
  %thread = load i64, ptr %thread.p
  %j = call i32 @pthread_join(i64 %thread, ptr null)
  %t.next = add i64 %t, 1
  br label %next
done:
  store i32 0, ptr @gc_started
  store atomic i32 0, ptr @gc_busy release, align 4
  ret void
}
"""

_UNLOAD_IR = """
@gc_unload = internal global ptr @gc_stop_threads, section ".fini_array"
@llvm.used = appending global [1 x ptr] [ptr @gc_unload], section "llvm.metadata"
"""
"""Added to the runtime of an ELF shared library, it ends the workers before their code goes."""


def library_runtime_ir(target: Target) -> str:
    """The pool's IR for a library of its own."""
    if not target.architecture.threads:
        return ALONE_IR
    return runtime_ir(target.triple) + _UNLOAD_IR


def runtime_ir(triple: str) -> str:
    """The pool's IR for a target triple."""
    text = _POOL_IR + WORKERS_IR + _CALL_IR + CHUNKS_IR + places_ir(triple) + sleep_ir(triple)
    signal_setmask = 2 if "linux" in triple else 3
    for name, value in (
        ("MAX_THREADS", MAX_THREADS),
        ("LEAST_STACK", LEAST_STACK),
        ("SPINS", SPINS),
        ("FEW_CHUNKS", FEW_CHUNKS),
        ("SIG_SETMASK", signal_setmask),
    ):
        text = text.replace(name, str(value))
    return text
