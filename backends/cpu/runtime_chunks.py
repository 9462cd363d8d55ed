"""Which thread runs which chunks of a job, as LLVM IR: each its own, then what others have left."""

FEW_CHUNKS = 4
"""Chunks of a thread from which on others help it: fewer are over before they could."""

CHUNKS_IR = """
; Gives part t the chunks [t * chunks / parts, (t + 1) * chunks / parts) of a job, for every part.
define internal void @gc_divide(i64 %chunks, i64 %parts) {
entry:
  %long = call i1 @gc_is_long(i64 %chunks, i64 %parts)
  br i1 %long, label %next, label %done
next:
  %t = phi i64 [ 0, %entry ], [ %t.next, %next ]
  %first = phi i64 [ 0, %entry ], [ %end, %next ]
  %t.next = add i64 %t, 1
  %b = mul i64 %t.next, %chunks
  %end = udiv i64 %b, %parts
  %next.p = getelementptr [MAX_THREADS x %Range], ptr @gc_ranges, i64 0, i64 %t, i32 0
  %end.p = getelementptr [MAX_THREADS x %Range], ptr @gc_ranges, i64 0, i64 %t, i32 1
  store atomic i64 %first, ptr %next.p monotonic, align 8
  store i64 %end, ptr %end.p
  %more = icmp ult i64 %t.next, %parts
  br i1 %more, label %next, label %done
done:
  ret void
}

; Whether threads help each other: jobs of few chunks are over before they could.
define internal i1 @gc_is_long(i64 %chunks, i64 %parts) {
  %few = mul i64 %parts, FEW_CHUNKS
  %long = icmp uge i64 %chunks, %few
  ret i1 %long
}

; Runs the chunks of part t, then what is left of the parts that follow it.
define internal void @gc_share(ptr %fn, ptr %frame, i64 %chunks, i64 %parts, i64 %t) {
entry:
  %long = call i1 @gc_is_long(i64 %chunks, i64 %parts)
  br i1 %long, label %begin, label %short
short:
  call void @gc_range(ptr %fn, ptr %frame, i64 %chunks, i64 %parts, i64 %t)
  ret void
begin:
  %last = add i64 %t, %parts
  br label %part
part:
  %p = phi i64 [ %t, %begin ], [ %p.next, %empty ]
  %r = urem i64 %p, %parts
  %next.p = getelementptr [MAX_THREADS x %Range], ptr @gc_ranges, i64 0, i64 %r, i32 0
  %end.p = getelementptr [MAX_THREADS x %Range], ptr @gc_ranges, i64 0, i64 %r, i32 1
  %end = load i64, ptr %end.p
  br label %look
look:
  %seen = load atomic i64, ptr %next.p monotonic, align 8
  %some = icmp ult i64 %seen, %end
  br i1 %some, label %take, label %empty
take:
  %i = atomicrmw add ptr %next.p, i64 1 monotonic
  %mine = icmp ult i64 %i, %end
  br i1 %mine, label %work, label %empty
work:
  call void %fn(ptr %frame, i64 %i)
  br label %look
empty:
  %p.next = add i64 %p, 1
  %more = icmp ult i64 %p.next, %last
  br i1 %more, label %part, label %done
done:
  ret void
}

; Runs chunks [t * chunks / parts, (t + 1) * chunks / parts).
define internal void @gc_range(ptr %fn, ptr %frame, i64 %chunks, i64 %parts, i64 %t) {
entry:
  %t.next = add i64 %t, 1
  %a = mul i64 %t, %chunks
  %b = mul i64 %t.next, %chunks
  %first = udiv i64 %a, %parts
  %end = udiv i64 %b, %parts
  br label %next
next:
  %i = phi i64 [ %first, %entry ], [ %i.next, %work ]
  %more = icmp ult i64 %i, %end
  br i1 %more, label %work, label %done
work:
  call void %fn(ptr %frame, i64 %i)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}
"""
