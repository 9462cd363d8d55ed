"""Native binding of what is named: arguments, and in `out=` arrays for the results, where all are
as they shall be.
"""

NAMED_IR = """
declare i64 @PySequence_Size(ptr)
declare ptr @PySequence_Tuple(ptr)
declare ptr @PySequence_Concat(ptr, ptr)
@PyTuple_Type = external global i8
@PyList_Type = external global i8

; Which of the names is this one; -1 if none is.
define internal i64 @find_name(ptr %names, ptr %wanted) {
entry:
  %count = call i64 @PyTuple_Size(ptr %names)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %other ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %look, label %none
look:
  %name = call ptr @PyTuple_GetItem(ptr %names, i64 %i)
  %same = icmp eq ptr %name, %wanted
  br i1 %same, label %found, label %other
other:
  %i.next = add i64 %i, 1
  br label %next
found:
  ret i64 %i
none:
  ret i64 -1
}

; Puts all arguments in order, and behind them that of `out=`. Returns how many came, or 0 where
; some are lacking or too many.
define internal i64 @arrange(ptr %call, ptr %arguments, i64 %positional, ptr %names, ptr %items) {
entry:
  %count = load i64, ptr %call
  %named = call i64 @PyTuple_Size(ptr %names)
  %came = add i64 %positional, %named
  %specs.p = getelementptr %Call, ptr %call, i32 0, i32 4
  %specs = load ptr, ptr %specs.p
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %put ]
  %spec = phi ptr [ %specs, %entry ], [ %spec.next, %put ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %item, label %results
item:
  %first = icmp ult i64 %i, %positional
  br i1 %first, label %put, label %find
find:
  %name.p = getelementptr i64, ptr %spec, i64 3
  %name = load ptr, ptr %name.p
  %k = call i64 @find_name(ptr %names, ptr %name)
  %at = add i64 %positional, %k
  %lacks = icmp slt i64 %k, 0
  br i1 %lacks, label %wrong, label %put
put:
  %from = phi i64 [ %i, %item ], [ %at, %find ]
  %from.p = getelementptr ptr, ptr %arguments, i64 %from
  %a = load ptr, ptr %from.p
  %to.p = getelementptr ptr, ptr %items, i64 %i
  store ptr %a, ptr %to.p
  %rank.p = getelementptr i64, ptr %spec, i64 1
  %rank = load i64, ptr %rank.p
  %pairs = shl i64 %rank, 1
  %length = add i64 %pairs, 4
  %spec.next = getelementptr i64, ptr %spec, i64 %length
  %i.next = add i64 %i, 1
  br label %next
results:
  %alone = icmp eq i64 %came, %count
  br i1 %alone, label %done, label %one.more
one.more:
  %most = add i64 %count, 1
  %fits = icmp eq i64 %came, %most
  br i1 %fits, label %look, label %wrong
look:
  %out.p = getelementptr %Call, ptr %call, i32 0, i32 19
  %out = load ptr, ptr %out.p
  %j = call i64 @find_name(ptr %names, ptr %out)
  %none = icmp slt i64 %j, 0
  br i1 %none, label %wrong, label %last
last:
  %theirs = add i64 %positional, %j
  %theirs.p = getelementptr ptr, ptr %arguments, i64 %theirs
  %given = load ptr, ptr %theirs.p
  %behind = getelementptr ptr, ptr %items, i64 %count
  store ptr %given, ptr %behind
  br label %done
done:
  ret i64 %came
wrong:
  ret i64 0
}

; A tuple of the arguments and of what was given behind them for the results; or null.
define internal ptr @with_given(ptr %call, ptr %items) {
entry:
  %count = load i64, ptr %call
  %structure.p = getelementptr %Call, ptr %call, i32 0, i32 11
  %structure = load i64, ptr %structure.p
  switch i64 %structure, label %no [ i64 0, label %single
                                     i64 1, label %tuple
                                     i64 2, label %list ]
single:
  %both = add i64 %count, 1
  %t = call ptr @pack_arguments(ptr %items, i64 %both)
  ret ptr %t
tuple:
  br label %several
list:
  br label %several
several:
  %class = phi ptr [ @PyTuple_Type, %tuple ], [ @PyList_Type, %list ]
  %p = getelementptr ptr, ptr %items, i64 %count
  %given = load ptr, ptr %p
  %type.p = getelementptr i8, ptr %given, i64 8
  %type = load ptr, ptr %type.p
  %exact = icmp eq ptr %type, %class
  br i1 %exact, label %sized, label %no
sized:
  %wanted.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %wanted = load i64, ptr %wanted.p
  %size = call i64 @PySequence_Size(ptr %given)
  %right = icmp eq i64 %size, %wanted
  br i1 %right, label %join, label %no
join:
  %front = call ptr @pack_arguments(ptr %items, i64 %count)
  %rest = call ptr @PySequence_Tuple(ptr %given)
  %all = call ptr @PySequence_Concat(ptr %front, ptr %rest)
  call void @Py_DecRef(ptr %front)
  call void @Py_DecRef(ptr %rest)
  ret ptr %all
no:
  ret ptr null
}

; The tuple of arguments, and arrays for the results if there are any, bound, where all are exactly
; as they shall be; null where anything takes a closer look.
define internal ptr @bind_named(
    ptr %call, ptr %frame, ptr %arguments, i64 %positional, ptr %names, ptr %sizes,
    ptr %buffers) noinline {
entry:
  %count = load i64, ptr %call
  %room = add i64 %count, 1
  %items = alloca ptr, i64 %room
  %came = call i64 @arrange(
      ptr %call, ptr %arguments, i64 %positional, ptr %names, ptr %items)
  %enough = icmp ne i64 %came, 0
  br i1 %enough, label %try, label %no
try:
  %bound = call i1 @bind(ptr %call, ptr %items, ptr %sizes, ptr %buffers)
  br i1 %bound, label %collect, label %no
collect:
  %alone = icmp eq i64 %came, %count
  br i1 %alone, label %plain, label %behind
plain:
  %own = call ptr @pack_arguments(ptr %items, i64 %count)
  ret ptr %own
behind:
  %given = call ptr @with_given(ptr %call, ptr %items)
  %none = icmp eq ptr %given, null
  br i1 %none, label %no, label %planning
planning:
  %plan.p = getelementptr %Call, ptr %call, i32 0, i32 7
  %plan = load ptr, ptr %plan.p
  %planned = call ptr @frame_part(ptr %call, ptr %frame, i32 1)
  %refused = call i64 %plan(ptr %sizes, ptr %planned)
  %fine = icmp eq i64 %refused, 0
  br i1 %fine, label %results, label %drop
results:
  %shapes = getelementptr i64, ptr %planned, i64 2
  %wanted.p = getelementptr %Call, ptr %call, i32 0, i32 1
  %wanted = load i64, ptr %wanted.p
  %specs.p = getelementptr %Call, ptr %call, i32 0, i32 5
  %specs = load ptr, ptr %specs.p
  br label %next
next:
  %k = phi i64 [ 0, %results ], [ %k.next, %apart ]
  %spec = phi ptr [ %specs, %results ], [ %spec.next, %apart ]
  %shape = phi ptr [ %shapes, %results ], [ %shape.next, %apart ]
  %more = icmp ult i64 %k, %wanted
  br i1 %more, label %look, label %done
look:
  %ok = call i1 @is_apart(ptr %call, ptr %given, i64 %k, ptr %spec, ptr %shape)
  br i1 %ok, label %apart, label %drop
apart:
  %rank.p = getelementptr i64, ptr %spec, i64 1
  %rank = load i64, ptr %rank.p
  %shape.next = getelementptr i64, ptr %shape, i64 %rank
  %spec.next = getelementptr i64, ptr %spec, i64 3
  %k.next = add i64 %k, 1
  br label %next
done:
  ret ptr %given
drop:
  call void @Py_DecRef(ptr %given)
  br label %no
no:
  ret ptr null
}
"""
