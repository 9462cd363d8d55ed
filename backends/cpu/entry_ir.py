"""The native builtin itself: bind the arguments, plan, make the outputs, run, hand them over.

Continues `graphc.backends.cpu.call_ir`, which holds the record, the frame and the binding.
"""

from __future__ import annotations

from graphc.backends.cpu.blocks_ir import BLOCKS_IR
from graphc.backends.cpu.call_ir import BIND_IR, FRAME_IR, RECORD_IR

POOLED_BYTES = 128 << 10
"""Outputs of at least so many bytes lie in pooled blocks, smaller ones in NumPy's own memory."""

RELEASE_BYTES = 64 << 10
"""Work estimate from which the interpreter lock is released around the native call."""

OUTPUT_IR = """
define void @block_destroy(ptr %capsule) {
  %block = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr @block_name)
  call void @block_give(ptr %block)
  ret void
}

; A new array over a pooled block, which the array's base gives back when the last view is gone.
define internal ptr @pooled_array(ptr %descr, i32 %rank, ptr %shape, i64 %bytes) noinline {
  %block = call ptr @block_take(i64 %bytes)
  %none = icmp eq ptr %block, null
  br i1 %none, label %out, label %wrap
out:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr null
wrap:
  %capsule = call ptr @PyCapsule_New(ptr %block, ptr @block_name, ptr @block_destroy)
  %bare = icmp eq ptr %capsule, null
  br i1 %bare, label %unwrapped, label %array
unwrapped:
  call void @block_give(ptr %block)
  ret ptr null
array:
  call void @Py_IncRef(ptr %descr)
  %a = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %descr, i32 %rank, ptr %shape,
      ptr null, ptr %block, i32 1281, ptr null)  ; C-contiguous, aligned, writeable
  %failed = icmp eq ptr %a, null
  br i1 %failed, label %lost, label %own
lost:
  call void @Py_DecRef(ptr %capsule)
  ret ptr null
own:
  %status = call i32 @PyArray_SetBaseObject(ptr %a, ptr %capsule)
  ret ptr %a
}

define internal ptr @new_array(ptr %descr, i64 %rank, i64 %item, ptr %shape) {
entry:
  br label %axis
axis:
  %j = phi i64 [ 0, %entry ], [ %j.next, %multiply ]
  %bytes = phi i64 [ %item, %entry ], [ %product, %multiply ]
  %more = icmp ult i64 %j, %rank
  br i1 %more, label %multiply, label %sized
multiply:
  %extent.p = getelementptr i64, ptr %shape, i64 %j
  %extent = load i64, ptr %extent.p
  %wide = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %bytes, i64 %extent)
  %product = extractvalue { i64, i1 } %wide, 0
  %over = extractvalue { i64, i1 } %wide, 1
  %j.next = add i64 %j, 1
  br i1 %over, label %absurd, label %axis
absurd:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr null
sized:
  %rank32 = trunc i64 %rank to i32
  %large = icmp uge i64 %bytes, POOLED_BYTES
  br i1 %large, label %pooled, label %small
pooled:
  %p = call ptr @pooled_array(ptr %descr, i32 %rank32, ptr %shape, i64 %bytes)
  ret ptr %p
small:
  call void @Py_IncRef(ptr %descr)
  %a = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %descr, i32 %rank32, ptr %shape,
      ptr null, ptr null, i32 0, ptr null)
  ret ptr %a
}

; Makes the outputs of the planned shapes. Returns how many were made: all, or fewer with an error.
define internal i64 @new_outputs(ptr %call, ptr %shapes, ptr %slots, ptr %results) {
entry:
  %count.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %count = load i64, ptr %count.p
  %specs.p = getelementptr %Call, ptr %call, i32 0, i32 5
  %specs = load ptr, ptr %specs.p
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %made ]
  %shape = phi ptr [ %shapes, %entry ], [ %shape.next, %made ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %make, label %done
make:
  %spec = getelementptr { ptr, i64, i64 }, ptr %specs, i64 %i
  %descr = load ptr, ptr %spec
  %rank.p = getelementptr { ptr, i64, i64 }, ptr %spec, i32 0, i32 1
  %rank = load i64, ptr %rank.p
  %item.p = getelementptr { ptr, i64, i64 }, ptr %spec, i32 0, i32 2
  %item = load i64, ptr %item.p
  %a = call ptr @new_array(ptr %descr, i64 %rank, i64 %item, ptr %shape)
  %failed = icmp eq ptr %a, null
  br i1 %failed, label %done, label %made
made:
  %result.p = getelementptr ptr, ptr %results, i64 %i
  store ptr %a, ptr %result.p
  %data.p = getelementptr i8, ptr %a, i64 16
  %data = load ptr, ptr %data.p
  %slot = getelementptr ptr, ptr %slots, i64 %i
  store ptr %data, ptr %slot
  %shape.next = getelementptr i64, ptr %shape, i64 %rank
  %i.next = add i64 %i, 1
  br label %next
done:
  ret i64 %i
}

define internal void @drop_outputs(ptr %results, i64 %count) noinline {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %drop ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %drop, label %done
drop:
  %p = getelementptr ptr, ptr %results, i64 %i
  %a = load ptr, ptr %p
  call void @Py_DecRef(ptr %a)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}

define internal ptr @pack_results(ptr %call, ptr %results) {
entry:
  %count.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %count = load i64, ptr %count.p
  %structure.p = getelementptr %Call, ptr %call, i32 0, i32 11
  %structure = load i64, ptr %structure.p
  switch i64 %structure, label %none [ i64 0, label %one
                                       i64 1, label %tuple
                                       i64 2, label %list ]
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
one:
  %single = load ptr, ptr %results
  ret ptr %single
tuple:
  %t = call ptr @PyTuple_New(i64 %count)
  br label %next
list:
  %l = call ptr @PyList_New(i64 %count)
  br label %next
next:
  %pack = phi ptr [ %t, %tuple ], [ %l, %list ], [ %pack, %put ]
  %i = phi i64 [ 0, %tuple ], [ 0, %list ], [ %i.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %item, label %done
item:
  %p = getelementptr ptr, ptr %results, i64 %i
  %a = load ptr, ptr %p
  %kind = icmp eq i64 %structure, 1
  br i1 %kind, label %into.tuple, label %into.list
into.tuple:
  %s1 = call i32 @PyTuple_SetItem(ptr %pack, i64 %i, ptr %a)
  br label %put
into.list:
  %s2 = call i32 @PyList_SetItem(ptr %pack, i64 %i, ptr %a)
  br label %put
put:
  %i.next = add i64 %i, 1
  br label %next
done:
  ret ptr %pack
}
"""

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

; Calls fail(code, value, sizes), which shall raise; always leaves an error set.
define internal void @report(ptr %call, i64 %code, ptr %sizes) noinline {
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
  %fail.p = getelementptr %Call, ptr %call, i32 0, i32 10
  %fail = load ptr, ptr %fail.p
  %answer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(
      ptr %fail, ptr %code.o, ptr %value.o, ptr %tuple, ptr null)
  call void @Py_DecRef(ptr %code.o)
  call void @Py_DecRef(ptr %value.o)
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

; Everything after binding: the result, or null with an error set.
define internal ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers) {
entry:
  %plan.p = getelementptr %Call, ptr %call, i32 0, i32 7
  %plan = load ptr, ptr %plan.p
  %out = call ptr @frame_part(ptr %call, ptr %frame, i32 1)
  %results = call ptr @frame_part(ptr %call, ptr %frame, i32 3)
  %refused = call i64 %plan(ptr %sizes, ptr %out)
  %planned = icmp eq i64 %refused, 0
  br i1 %planned, label %reserve, label %bad.plan
bad.plan:
  call void @report(ptr %call, i64 %refused, ptr %sizes)
  ret ptr null
reserve:
  %bytes = load i64, ptr %out
  %fits = call i1 @frame_reserve(ptr %frame, i64 %bytes)
  br i1 %fits, label %outputs, label %memory
memory:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr null
outputs:
  %shapes = getelementptr i64, ptr %out, i64 2
  %ins = load i64, ptr %call
  %slots = getelementptr ptr, ptr %buffers, i64 %ins
  %made = call i64 @new_outputs(ptr %call, ptr %shapes, ptr %slots, ptr %results)
  %wanted.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %wanted = load i64, ptr %wanted.p
  %all = icmp eq i64 %made, %wanted
  br i1 %all, label %go, label %undo
go:
  %work.p = getelementptr i64, ptr %out, i64 1
  %work = load i64, ptr %work.p
  %arena = load ptr, ptr %frame
  %code = call i64 @run(ptr %call, ptr %buffers, ptr %sizes, ptr %arena, i64 %work)
  %fine = icmp eq i64 %code, 0
  br i1 %fine, label %hand, label %bad.run
bad.run:
  call void @report(ptr %call, i64 %code, ptr %sizes)
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
  br i1 %usual, label %fast, label %slow
fast:
  %bound = call i1 @bind(ptr %call, ptr %arguments, ptr %sizes, ptr %buffers)
  br i1 %bound, label %perform, label %slow
slow:
  %keep = call ptr @bind_prepared(ptr %call, ptr %arguments, i64 %positional, ptr %names,
                                  ptr %sizes, ptr %buffers)
  %raised = icmp eq ptr %keep, null
  br i1 %raised, label %leave, label %prepared
prepared:
  %late = call ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers)
  call void @Py_DecRef(ptr %keep)
  br label %leave
perform:
  %soon = call ptr @perform(ptr %call, ptr %frame, ptr %sizes, ptr %buffers)
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
    whole = RECORD_IR + BLOCKS_IR + FRAME_IR + BIND_IR + OUTPUT_IR + RUN_IR + texts
    for name, value in (
        ("POOLED_BYTES", POOLED_BYTES),
        ("RELEASE_BYTES", RELEASE_BYTES),
        ("ADVICE_HUGE_PAGES", advice_huge_pages),
    ):
        whole = whole.replace(name, str(value))
    return whole
