"""The native side of calling a compiled function from Python: one function serves every caller.

`call_entry` is a fast-call builtin. What it shall do for one compiled function is data: a `%Call`
record (filled by `graphc.backends.cpu.record`). The working memory of one call is a frame, kept by
the record between calls; a call that finds it taken (another thread, or `prepare` calling back)
makes its own. Only a call with its arguments in order is done here; everything unusual goes to
the Python callables `prepare` and `fail`.

An output spec is {descr, rank, item bytes}, an input spec the same with name, rank x {kind, value}.
"""

RECORD_IR = """
%Call = type {
  i64, i64, i64, i64,  ; 0 inputs, 1 outputs, 2 variables, 3 sizes
  ptr, ptr, ptr,       ; 4 input specs, 5 output specs, 6 variables
  ptr, ptr, ptr, ptr,  ; 7 plan, 8 run, 9 prepare, 10 fail
  i64, i64,            ; 11 structure, 12 stateful
  ptr, i64,            ; 13 the kept frame, 14 bytes of a frame
  i64, i64, i64, i64,  ; 15.. byte offsets in a frame: sizes, plan, buffers, results
  ptr                  ; 19 the name under which arrays for the results are given, or null
}
%Frame = type { ptr, i64 }  ; arena, bytes of the arena

@PyArray_Type = external global i8
@PyExc_RuntimeError = external global ptr
@PyExc_MemoryError = external global ptr
@_Py_NoneStruct = external global i8
@state_lock = global [8 x i64] zeroinitializer
@block_name = constant [13 x i8] c"graphc.block\\00"

declare i32 @pthread_mutex_trylock(ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_SetString(ptr, ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyErr_Occurred()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyCapsule_New(ptr, ptr, ptr)
declare ptr @PyCapsule_GetPointer(ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyTuple_GetItem(ptr, i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare i32 @PyArray_SetBaseObject(ptr, ptr)
"""

FRAME_IR = """
define internal ptr @frame_take(ptr %call) {
  %kept.p = getelementptr %Call, ptr %call, i32 0, i32 13
  %kept = load ptr, ptr %kept.p
  store ptr null, ptr %kept.p
  %none = icmp eq ptr %kept, null
  br i1 %none, label %make, label %have
have:
  ret ptr %kept
make:
  %bytes.p = getelementptr %Call, ptr %call, i32 0, i32 14
  %bytes = load i64, ptr %bytes.p
  %frame = call ptr @calloc(i64 1, i64 %bytes)
  %out = icmp eq ptr %frame, null
  br i1 %out, label %fail, label %fill
fail:
  ret ptr null
fill:
  %buffers = call ptr @frame_part(ptr %call, ptr %frame, i32 2)
  %ins = load i64, ptr %call
  %outs.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %outs = load i64, ptr %outs.p
  %skip = add i64 %ins, %outs
  %to = getelementptr ptr, ptr %buffers, i64 %skip
  %count.p = getelementptr %Call, ptr %call, i32 0, i32 2
  %count = load i64, ptr %count.p
  %length = shl i64 %count, 3
  %from.p = getelementptr %Call, ptr %call, i32 0, i32 6
  %from = load ptr, ptr %from.p
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %length, i1 false)
  ret ptr %frame
}

; 0 sizes, 1 plan, 2 buffers, 3 results
define internal ptr @frame_part(ptr %call, ptr %frame, i32 %which) alwaysinline {
  %field = getelementptr %Call, ptr %call, i32 0, i32 15
  %offset.p = getelementptr i64, ptr %field, i32 %which
  %offset = load i64, ptr %offset.p
  %part = getelementptr i8, ptr %frame, i64 %offset
  ret ptr %part
}

define internal void @frame_give(ptr %call, ptr %frame) {
  %kept.p = getelementptr %Call, ptr %call, i32 0, i32 13
  %kept = load ptr, ptr %kept.p
  %free = icmp eq ptr %kept, null
  br i1 %free, label %keep, label %drop
keep:
  store ptr %frame, ptr %kept.p
  ret void
drop:
  call void @frame_free(ptr %frame)
  ret void
}

define internal void @frame_free(ptr %frame) {
  %arena = load ptr, ptr %frame
  call void @block_give(ptr %arena)
  call void @free(ptr %frame)
  ret void
}

; Grows the frame's arena to at least %bytes; false when memory is out.
define internal i1 @frame_reserve(ptr %frame, i64 %bytes) alwaysinline {
  %capacity.p = getelementptr %Frame, ptr %frame, i32 0, i32 1
  %capacity = load i64, ptr %capacity.p
  %enough = icmp uge i64 %capacity, %bytes
  br i1 %enough, label %yes, label %grow
yes:
  ret i1 true
grow:
  %old = load ptr, ptr %frame
  call void @block_give(ptr %old)
  %new = call ptr @block_take(i64 %bytes)
  store ptr %new, ptr %frame
  %ok = icmp ne ptr %new, null
  %now = select i1 %ok, i64 %bytes, i64 0
  store i64 %now, ptr %capacity.p
  ret i1 %ok
}

; What a capsule around a %Call runs when the last reference to the builtin is gone.
define void @call_destroy(ptr %capsule) {
  %call = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr null)
  %kept.p = getelementptr %Call, ptr %call, i32 0, i32 13
  %kept = load ptr, ptr %kept.p
  %none = icmp eq ptr %kept, null
  br i1 %none, label %done, label %frame
frame:
  call void @frame_free(ptr %kept)
  br label %done
done:
  call void @free(ptr %call)
  ret void
}
"""
