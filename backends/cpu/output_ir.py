"""Native making of output arrays, over pooled blocks when large, and of the result they form."""

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

; Item %at of a tuple, if it is an array that such a result can be written to; else null, with an
; error.
define internal ptr @given_array(ptr %given, i64 %at, ptr %spec, ptr %shape) noinline {
entry:
  %a = call ptr @PyTuple_GetItem(ptr %given, i64 %at)
  %fits = call i1 @is_result(ptr %a, ptr %spec, ptr %shape)
  br i1 %fits, label %take, label %wrong
take:
  call void @Py_IncRef(ptr %a)
  ret ptr %a
wrong:
  %error = load ptr, ptr @PyExc_RuntimeError
  call void @PyErr_SetString(ptr %error, ptr @text_unprepared)
  ret ptr null
}

; Makes the outputs of the planned shapes, or takes them from behind the arguments in the tuple
; `given`, unless that is null. Returns how many there are: all, or fewer because of an error or
; because memory is out, which sets none.
define internal i64 @make_outputs(
    ptr %call, ptr %shapes, ptr %slots, ptr %results, ptr %given) {
entry:
  %ins = load i64, ptr %call
  %fresh = icmp eq ptr %given, null
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
  %rank.p = getelementptr { ptr, i64, i64 }, ptr %spec, i32 0, i32 1
  %rank = load i64, ptr %rank.p
  br i1 %fresh, label %new, label %take
new:
  %descr = load ptr, ptr %spec
  %item.p = getelementptr { ptr, i64, i64 }, ptr %spec, i32 0, i32 2
  %item = load i64, ptr %item.p
  %own = call ptr @new_array(ptr %descr, i64 %rank, i64 %item, ptr %shape)
  br label %have
take:
  %at = add i64 %ins, %i
  %theirs = call ptr @given_array(ptr %given, i64 %at, ptr %spec, ptr %shape)
  br label %have
have:
  %a = phi ptr [ %own, %new ], [ %theirs, %take ]
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
  %t.none = icmp eq ptr %t, null
  br i1 %t.none, label %memory, label %next
list:
  %l = call ptr @PyList_New(i64 %count)
  %l.none = icmp eq ptr %l, null
  br i1 %l.none, label %memory, label %next
memory:
  call void @drop_outputs(ptr %results, i64 %count)
  ret ptr null
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
