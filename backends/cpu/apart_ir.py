"""Whether an array given for a result is as it shall be, and apart from all others of the call."""

APART_IR = """
; The first byte behind a contiguous array of such items.
define internal i64 @array_end(ptr %a, i64 %item) {
entry:
  %data.p = getelementptr i8, ptr %a, i64 16
  %data = load i64, ptr %data.p
  %rank.p = getelementptr i8, ptr %a, i64 24
  %rank = load i32, ptr %rank.p
  %extents.p = getelementptr i8, ptr %a, i64 32
  %extents = load ptr, ptr %extents.p
  br label %axis
axis:
  %j = phi i32 [ 0, %entry ], [ %j.next, %extent ]
  %bytes = phi i64 [ %item, %entry ], [ %more, %extent ]
  %left = icmp ult i32 %j, %rank
  br i1 %left, label %extent, label %done
extent:
  %p = getelementptr i64, ptr %extents, i32 %j
  %n = load i64, ptr %p
  %more = mul i64 %bytes, %n
  %j.next = add i32 %j, 1
  br label %axis
done:
  %end = add i64 %data, %bytes
  ret i64 %end
}

; Whether this is an array of the planned shape that such a result can be written to.
define internal i1 @is_result(ptr %a, ptr %spec, ptr %shape) {
entry:
  %descr = load ptr, ptr %spec
  %rank.p = getelementptr i64, ptr %spec, i64 1
  %rank = load i64, ptr %rank.p
  %fits = call i1 @is_array(ptr %a, ptr %descr, i64 %rank, i32 1281)  ; and writeable
  br i1 %fits, label %array, label %no
array:
  %extents.p = getelementptr i8, ptr %a, i64 32
  %extents = load ptr, ptr %extents.p
  br label %axis
axis:
  %j = phi i64 [ 0, %array ], [ %j.next, %extent ]
  %left = icmp ult i64 %j, %rank
  br i1 %left, label %extent, label %yes
extent:
  %extent.p = getelementptr i64, ptr %extents, i64 %j
  %size = load i64, ptr %extent.p
  %wanted.p = getelementptr i64, ptr %shape, i64 %j
  %wanted = load i64, ptr %wanted.p
  %equal = icmp eq i64 %size, %wanted
  %j.next = add i64 %j, 1
  br i1 %equal, label %axis, label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Whether result %k of the tuple is an array of the planned shape that shares no byte with an
; argument or with an earlier result.
define internal i1 @is_apart(ptr %call, ptr %given, i64 %k, ptr %spec, ptr %shape) {
entry:
  %ins = load i64, ptr %call
  %at = add i64 %ins, %k
  %a = call ptr @PyTuple_GetItem(ptr %given, i64 %at)
  %item.p = getelementptr i64, ptr %spec, i64 2
  %item = load i64, ptr %item.p
  %fits = call i1 @is_result(ptr %a, ptr %spec, ptr %shape)
  br i1 %fits, label %bounds, label %no
bounds:
  %data.p = getelementptr i8, ptr %a, i64 16
  %begin = load i64, ptr %data.p
  %end = call i64 @array_end(ptr %a, i64 %item)
  %first.p = getelementptr %Call, ptr %call, i32 0, i32 4
  %first = load ptr, ptr %first.p
  %results.p = getelementptr %Call, ptr %call, i32 0, i32 5
  %results = load ptr, ptr %results.p
  br label %next
next:
  %i = phi i64 [ 0, %bounds ], [ %i.next, %clear ]
  %other = phi ptr [ %first, %bounds ], [ %following, %clear ]
  %some = icmp ult i64 %i, %at
  br i1 %some, label %compare, label %yes
compare:
  %behind = icmp eq i64 %i, %ins
  %here = select i1 %behind, ptr %results, ptr %other
  %b = call ptr @PyTuple_GetItem(ptr %given, i64 %i)
  %axes.p = getelementptr i64, ptr %here, i64 1
  %axes = load i64, ptr %axes.p
  %bytes.p = getelementptr i64, ptr %here, i64 2
  %bytes = load i64, ptr %bytes.p
  %b.data.p = getelementptr i8, ptr %b, i64 16
  %b.begin = load i64, ptr %b.data.p
  %b.end = call i64 @array_end(ptr %b, i64 %bytes)
  %before = icmp ule i64 %end, %b.begin
  %after = icmp ule i64 %b.end, %begin
  %disjoint = or i1 %before, %after
  br i1 %disjoint, label %clear, label %no
clear:
  %argument = icmp ult i64 %i, %ins
  %pairs = shl i64 %axes, 1
  %head.and.dims = add i64 %pairs, 4
  %length = select i1 %argument, i64 %head.and.dims, i64 3
  %following = getelementptr i64, ptr %here, i64 %length
  %i.next = add i64 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}
"""
