"""The native builtin itself: bind the arguments, plan, make the outputs, run, hand them over.

Continues `graphc.backends.cpu.call_ir`, which holds the record and the frame.
"""

from __future__ import annotations

from graphc.backends.cpu.apart_ir import APART_IR
from graphc.backends.cpu.bind_ir import BIND_IR
from graphc.backends.cpu.blocks_ir import BLOCKS_IR
from graphc.backends.cpu.call_ir import FRAME_IR, RECORD_IR
from graphc.backends.cpu.named_ir import NAMED_IR
from graphc.backends.cpu.output_ir import OUTPUT_IR

POOLED_BYTES = 128 << 10
"""Outputs of at least so many bytes lie in pooled blocks, smaller ones in NumPy's own memory."""

RELEASE_BYTES = 64 << 10
"""Work estimate from which the interpreter lock is released around the native call."""

RUN_IR = """
; Runs the native function; work worth it lets other Python threads run meanwhile.
define internal i64 @run(ptr %call, ptr %buffers, ptr %sizes, ptr %arena, i64 %work) {
  %run.p = getelementptr %Call, ptr %call, i32 0, i32 8
  %run = load ptr, ptr %run.p
  %stateful.p = getelementptr %Call, ptr %call, i32 0, i32 12
  %stateful = load i64, ptr %stateful.p
  %shared = icmp ne i64 %stateful, 0
  %long = icmp uge i64 %work, RELEASE_BYTES
  br i1 %long, label %release, label %short
short:
  br i1 %shared, label %try, label %plain
plain:
  %r1 = call i64 %run(ptr %buffers, ptr %sizes, ptr %arena)
  ret i64 %r1
try:
  %taken = call i32 @pthread_mutex_trylock(ptr @state_lock)
  %busy = icmp ne i32 %taken, 0
  br i1 %busy, label %release, label %mine
mine:
  %r2 = call i64 %run(ptr %buffers, ptr %sizes, ptr %arena)
  %u2 = call i32 @pthread_mutex_unlock(ptr @state_lock)
  ret i64 %r2
release:
  %thread = call ptr @PyEval_SaveThread()
  br i1 %shared, label %lock, label %free
free:
  %r3 = call i64 %run(ptr %buffers, ptr %sizes, ptr %arena)
  call void @PyEval_RestoreThread(ptr %thread)
  ret i64 %r3
lock:
  %l4 = call i32 @pthread_mutex_lock(ptr @state_lock)
  %r4 = call i64 %run(ptr %buffers, ptr %sizes, ptr %arena)
  %u4 = call i32 @pthread_mutex_unlock(ptr @state_lock)
  call void @PyEval_RestoreThread(ptr %thread)
  ret i64 %r4
}

; Calls fail(code, value, sizes, buffers), which shall raise; always leaves an error set.
define internal void @report(ptr %call, i64 %code, ptr %sizes, ptr %buffers) noinline {
entry:
  %count.p = getelementptr %Call, ptr %call, i32 0, i32 3
  %count = load i64, ptr %count.p
  %tuple = call ptr @PyTuple_New(i64 %count)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %put, label %ask
put:
  %p = getelementptr i64, ptr %sizes, i64 %i
  %size = load i64, ptr %p
  %number = call ptr @PyLong_FromLongLong(i64 %size)
  %s = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %number)
  %i.next = add i64 %i, 1
  br label %next
ask:
  %last = add i64 %count, 1
  %value.p = getelementptr i64, ptr %sizes, i64 %last
  %value = load i64, ptr %value.p
  %code.o = call ptr @PyLong_FromLongLong(i64 %code)
  %value.o = call ptr @PyLong_FromLongLong(i64 %value)
  %buffers.i = ptrtoint ptr %buffers to i64
  %buffers.o = call ptr @PyLong_FromLongLong(i64 %buffers.i)
  %fail.p = getelementptr %Call, ptr %call, i32 0, i32 10
  %fail = load ptr, ptr %fail.p
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(
      ptr %fail, ptr %code.o, ptr %value.o, ptr %tuple, ptr %buffers.o, ptr null)
  call void @Py_DecRef(ptr %code.o)
  call void @Py_DecRef(ptr %value.o)
  call void @Py_DecRef(ptr %buffers.o)
  call void @Py_DecRef(ptr %tuple)
  %raised = icmp eq ptr %answer, null
  br i1 %raised, label %done, label %silent
silent:
  call void @Py_DecRef(ptr %answer)
  %error = load ptr, ptr @PyExc_RuntimeError
  call void @PyErr_SetString(ptr %error, ptr @text_silent)
  br label %done
done:
  ret void
}

; Everything after binding: the result, or null with an error set. `given` is null, or a tuple
; with arrays for the outputs behind the arguments.
define internal ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers, ptr %given) {
entry:
  %plan.p = getelementptr %Call, ptr %call, i32 0, i32 7
  %plan = load ptr, ptr %plan.p
  %out = call ptr @frame_part(ptr %call, ptr %frame, i32 1)
  %results = call ptr @frame_part(ptr %call, ptr %frame, i32 3)
  %refused = call i64 %plan(ptr %sizes, ptr %out)
  %planned = icmp eq i64 %refused, 0
  br i1 %planned, label %reserve, label %bad.plan
bad.plan:
  call void @report(ptr %call, i64 0, ptr %sizes, ptr %buffers)
  ret ptr null
reserve:
  %bytes = load i64, ptr %out
  %call.sizes = getelementptr %Call, ptr %call, i32 0, i32 3
  %fits = call i1 @frame_reserve(ptr %frame, i64 %bytes)
  br i1 %fits, label %outputs, label %memory
memory:
  %short.k = load i64, ptr %call.sizes
  %short.at = add i64 %short.k, 1
  %short.p = getelementptr i64, ptr %sizes, i64 %short.at
  store i64 %bytes, ptr %short.p
  call void @report(ptr %call, i64 -1, ptr %sizes, ptr %buffers)
  ret ptr null
outputs:
  %shapes = getelementptr i64, ptr %out, i64 2
  %ins = load i64, ptr %call
  %slots = getelementptr ptr, ptr %buffers, i64 %ins
  %wanted.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %wanted = load i64, ptr %wanted.p
  %made = call i64 @make_outputs(ptr %call, ptr %shapes, ptr %slots, ptr %results, ptr %given)
  %all = icmp eq i64 %made, %wanted
  br i1 %all, label %go, label %lacking
lacking:
  %error = call ptr @PyErr_Occurred()
  %silent = icmp eq ptr %error, null
  br i1 %silent, label %tell, label %undo
tell:
  %output = sub i64 -2, %made
  call void @report(ptr %call, i64 %output, ptr %sizes, ptr %buffers)
  br label %undo
go:
  %work.p = getelementptr i64, ptr %out, i64 1
  %work = load i64, ptr %work.p
  %arena = load ptr, ptr %frame
  %code = call i64 @run(ptr %call, ptr %buffers, ptr %sizes, ptr %arena, i64 %work)
  %fine = icmp eq i64 %code, 0
  br i1 %fine, label %hand, label %bad.run
bad.run:
  call void @report(ptr %call, i64 %code, ptr %sizes, ptr %buffers)
  br label %undo
undo:
  call void @drop_outputs(ptr %results, i64 %made)
  ret ptr null
hand:
  %result = call ptr @pack_results(ptr %call, ptr %results)
  ret ptr %result
}

define ptr @call_entry(ptr %self, ptr %arguments, i64 %positional, ptr %names) {
entry:
  %capsule = call ptr @PyTuple_GetItem(ptr %self, i64 0)
  %call = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr null)
  %frame = call ptr @frame_take(ptr %call)
  %none = icmp eq ptr %frame, null
  br i1 %none, label %memory, label %ready
memory:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr null
ready:
  %sizes = call ptr @frame_part(ptr %call, ptr %frame, i32 0)
  %buffers = call ptr @frame_part(ptr %call, ptr %frame, i32 2)
  %count = load i64, ptr %call
  %complete = icmp eq i64 %positional, %count
  %unnamed = icmp eq ptr %names, null
  %usual = and i1 %complete, %unnamed
  br i1 %usual, label %fast, label %other
other:
  br i1 %unnamed, label %slow, label %named
named:
  %theirs = call ptr @bind_named(ptr %call, ptr %frame, ptr %arguments, i64 %positional,
                                 ptr %names, ptr %sizes, ptr %buffers)
  %unclear = icmp eq ptr %theirs, null
  br i1 %unclear, label %slow, label %prepared
fast:
  %bound = call i1 @bind(ptr %call, ptr %arguments, ptr %sizes, ptr %buffers)
  br i1 %bound, label %perform, label %slow
slow:
  %keep = call ptr @bind_prepared(ptr %call, ptr %arguments, i64 %positional, ptr %names,
                                  ptr %sizes, ptr %buffers)
  %raised = icmp eq ptr %keep, null
  br i1 %raised, label %leave, label %prepared
prepared:
  %held = phi ptr [ %keep, %slow ], [ %theirs, %named ]
  %items = call i64 @PyTuple_Size(ptr %held)
  %alone = icmp eq i64 %items, %count
  %given = select i1 %alone, ptr null, ptr %held
  %late = call ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers, ptr %given)
  call void @Py_DecRef(ptr %held)
  br label %leave
perform:
  %soon = call ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers, ptr null)
  br label %leave
leave:
  %result = phi ptr [ null, %slow ], [ %late, %prepared ], [ %soon, %perform ]
  call void @frame_give(ptr %call, ptr %frame)
  ret ptr %result
}
"""


def _text(name: str, content: str) -> str:
    """The definition of the zero-terminated ASCII constant `name`."""
    return f'@{name} = internal constant [{len(content) + 1} x i8] c"{content}\\00"\n'


def call_ir(advice_huge_pages: int) -> str:
    """The whole module; `advice_huge_pages` is this system's MADV_HUGEPAGE (0: no advice)."""
    texts = _text("text_unprepared", "the prepared arguments do not fit the compiled function")
    texts += _text("text_silent", "the compiled function failed and no error was raised for it")
    whole = (
        RECORD_IR
        + BLOCKS_IR
        + FRAME_IR
        + BIND_IR
        + APART_IR
        + NAMED_IR
        + OUTPUT_IR
        + RUN_IR
        + texts
    )
    for name, value in (
        ("POOLED_BYTES", POOLED_BYTES),
        ("RELEASE_BYTES", RELEASE_BYTES),
        ("ADVICE_HUGE_PAGES", advice_huge_pages),
    ):
        whole = whole.replace(name, str(value))
    return whole
