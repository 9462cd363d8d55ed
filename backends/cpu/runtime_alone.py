"""The thread pool's functions where there are no threads, as LLVM IR: callers do all chunks."""

from __future__ import annotations

ALONE_IR = """
define i32 @gc_get_threads() {
  ret i32 1
}

define void @gc_set_threads(i32 %wish) {
  ret void
}

define void @gc_stop_threads() {
  ret void
}

define void @gc_parallel(ptr %fn, ptr %frame, i64 %chunks) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %work ]
  %more = icmp slt i64 %i, %chunks
  br i1 %more, label %work, label %done
work:
  call void %fn(ptr %frame, i64 %i)
  %i.next = add i64 %i, 1
  br label %next
done:
  ret void
}
"""
