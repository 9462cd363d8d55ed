"""Native binding of the arguments of a call: the quick check, and the way through `prepare`."""

BIND_IR = """
; True if this is exactly an array of such elements, with so many axes and all these flags
; (1 C-contiguous, 256 aligned, 1024 writeable).
define internal i1 @is_array(ptr %a, ptr %wanted, i64 %axes, i32 %bits) alwaysinline {
  %type.p = getelementptr i8, ptr %a, i64 8
  %class = load ptr, ptr %type.p
  %exact = icmp eq ptr %class, @PyArray_Type
  br i1 %exact, label %layout, label %no
layout:
  %descr.p = getelementptr i8, ptr %a, i64 56
  %descr = load ptr, ptr %descr.p
  %same.descr = icmp eq ptr %descr, %wanted
  %flags.p = getelementptr i8, ptr %a, i64 64
  %flags = load i32, ptr %flags.p
  %set = and i32 %flags, %bits
  %same.flags = icmp eq i32 %set, %bits
  %rank.p = getelementptr i8, ptr %a, i64 24
  %rank32 = load i32, ptr %rank.p
  %rank = sext i32 %rank32 to i64
  %same.rank = icmp eq i64 %rank, %axes
  %ok1 = and i1 %same.descr, %same.flags
  %ok2 = and i1 %ok1, %same.rank
  ret i1 %ok2
no:
  ret i1 false
}

; True if every argument is an exact, aligned, C-contiguous array of its spec; fills sizes, buffers.
define internal i1 @bind(ptr %call, ptr %arguments, ptr %sizes, ptr %buffers) {
entry:
  %count = load i64, ptr %call
  %specs.p = getelementptr %Call, ptr %call, i32 0, i32 4
  %specs = load ptr, ptr %specs.p
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %bound ]
  %spec = phi ptr [ %specs, %entry ], [ %dim, %bound ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %type, label %yes
type:
  %argument.p = getelementptr ptr, ptr %arguments, i64 %i
  %a = load ptr, ptr %argument.p
  %wanted = load ptr, ptr %spec
  %rank.p = getelementptr i64, ptr %spec, i64 1
  %rank = load i64, ptr %rank.p
  %fits = call i1 @is_array(ptr %a, ptr %wanted, i64 %rank, i32 257)
  br i1 %fits, label %array, label %no
array:
  %data.p = getelementptr i8, ptr %a, i64 16
  %data = load ptr, ptr %data.p
  %buffer.p = getelementptr ptr, ptr %buffers, i64 %i
  store ptr %data, ptr %buffer.p
  %extents.p = getelementptr i8, ptr %a, i64 32
  %extents = load ptr, ptr %extents.p
  %first = getelementptr i64, ptr %spec, i64 4
  br label %axis
axis:
  %j = phi i64 [ 0, %array ], [ %j.next, %agreed ]
  %dim = phi ptr [ %first, %array ], [ %dim.next, %agreed ]
  %left = icmp ult i64 %j, %rank
  br i1 %left, label %extent, label %bound
extent:
  %extent.p = getelementptr i64, ptr %extents, i64 %j
  %size = load i64, ptr %extent.p
  %kind = load i64, ptr %dim
  %value.p = getelementptr i64, ptr %dim, i64 1
  %value = load i64, ptr %value.p
  %constant = icmp eq i64 %kind, 0
  br i1 %constant, label %agree, label %named
named:
  %slot = getelementptr i64, ptr %sizes, i64 %value
  %new = icmp eq i64 %kind, 1
  br i1 %new, label %store, label %known
store:
  store i64 %size, ptr %slot
  br label %agreed
known:
  %earlier = load i64, ptr %slot
  br label %agree
agree:
  %expected = phi i64 [ %value, %extent ], [ %earlier, %known ]
  %equal = icmp eq i64 %size, %expected
  br i1 %equal, label %agreed, label %no
agreed:
  %j.next = add i64 %j, 1
  %dim.next = getelementptr i64, ptr %dim, i64 2
  br label %axis
bound:
  %i.next = add i64 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

define internal ptr @pack_arguments(ptr %arguments, i64 %count) {
entry:
  %tuple = call ptr @PyTuple_New(i64 %count)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %put, label %done
put:
  %p = getelementptr ptr, ptr %arguments, i64 %i
  %a = load ptr, ptr %p
  call void @Py_IncRef(ptr %a)
  %ignored = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %a)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret ptr %tuple
}

; A new dict of the keyword arguments, or None if there are none.
define internal ptr @pack_keywords(ptr %arguments, i64 %positional, ptr %names) {
entry:
  %none = icmp eq ptr %names, null
  br i1 %none, label %empty, label %some
empty:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
some:
  %count = call i64 @PyTuple_Size(ptr %names)
  %dict = call ptr @PyDict_New()
  br label %next
next:
  %i = phi i64 [ 0, %some ], [ %i.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %put, label %done
put:
  %name = call ptr @PyTuple_GetItem(ptr %names, i64 %i)
  %at = add i64 %positional, %i
  %p = getelementptr ptr, ptr %arguments, i64 %at
  %a = load ptr, ptr %p
  %ignored = call i32 @PyDict_SetItem(ptr %dict, ptr %name, ptr %a)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret ptr %dict
}

; Asks `prepare` for conforming arrays. Returns the tuple that keeps them alive, bound, or null; it
; may hold an array for each output behind the arguments.
define internal ptr @bind_prepared(
    ptr %call, ptr %arguments, i64 %positional, ptr %names, ptr %sizes, ptr %buffers) noinline {
entry:
  %tuple = call ptr @pack_arguments(ptr %arguments, i64 %positional)
  %dict = call ptr @pack_keywords(ptr %arguments, i64 %positional, ptr %names)
  %prepare.p = getelementptr %Call, ptr %call, i32 0, i32 9
  %prepare = load ptr, ptr %prepare.p
  %ready = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(
      ptr %prepare, ptr %tuple, ptr %dict, ptr null)
  call void @Py_DecRef(ptr %tuple)
  call void @Py_DecRef(ptr %dict)
  %raised = icmp eq ptr %ready, null
  br i1 %raised, label %fail, label %check
fail:
  ret ptr null
check:
  %count = load i64, ptr %call
  %outs.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %outs = load i64, ptr %outs.p
  %both = add i64 %count, %outs
  %size = call i64 @PyTuple_Size(ptr %ready)
  %all = icmp eq i64 %size, %both
  %alone = icmp eq i64 %size, %count
  %right = or i1 %all, %alone
  br i1 %right, label %list, label %wrong
list:
  %items = alloca ptr, i64 %count
  br label %next
next:
  %i = phi i64 [ 0, %list ], [ %i.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %put, label %try
put:
  %item = call ptr @PyTuple_GetItem(ptr %ready, i64 %i)
  %p = getelementptr ptr, ptr %items, i64 %i
  store ptr %item, ptr %p
  %i.next = add i64 %i, 1
  br label %next
try:
  %good = call i1 @bind(ptr %call, ptr %items, ptr %sizes, ptr %buffers)
  br i1 %good, label %done, label %wrong
done:
  ret ptr %ready
wrong:
  call void @Py_DecRef(ptr %ready)
  %error = load ptr, ptr @PyExc_RuntimeError
  call void @PyErr_SetString(ptr %error, ptr @text_unprepared)
  ret ptr null
}
"""
