"""The native pool of large memory blocks: what holds big outputs and the arenas of calls.

A block that is given back is kept for the next request of its size class, so a loop that drops its
outputs touches no fresh page. All of it runs under the interpreter lock, which is its only lock.
Sizes are rounded up to eight classes per power of two; equal requests always share a class.

    ptr  block_take(i64 bytes)   64-byte aligned, or null when memory is out
    void block_give(ptr block)   null is allowed
    void block_trim()            frees every kept block

A block's header is the 64 bytes before it: {next kept block, class, bytes of the class, base}.
"""

BLOCKS_IR = """
%Header = type { ptr, i64, i64, ptr }

@block_kept_bytes = global i64 0
@block_limit_bytes = global i64 1073741824
@block_heads = internal global [512 x ptr] zeroinitializer

declare i32 @posix_memalign(ptr, i64, i64)
declare i32 @madvise(ptr, i64, i32)
declare void @free(ptr)
declare ptr @calloc(i64, i64)
declare i64 @llvm.ctlz.i64(i64, i1)

; The class of a request as {index, bytes}: the top four bits of the size, rounded up.
define internal { i64, i64 } @block_class(i64 %bytes) {
  %least = icmp ult i64 %bytes, 4096
  %n = select i1 %least, i64 4096, i64 %bytes
  %zeros = call i64 @llvm.ctlz.i64(i64 %n, i1 true)
  %log = sub i64 63, %zeros
  %shift = sub i64 %log, 3
  %unit = shl i64 1, %shift
  %mask = sub i64 %unit, 1
  %over = add i64 %n, %mask
  %units = lshr i64 %over, %shift
  %size = shl i64 %units, %shift
  %row = shl i64 %log, 3
  %column = sub i64 %units, 8
  %index = add i64 %row, %column
  %a = insertvalue { i64, i64 } poison, i64 %index, 0
  %b = insertvalue { i64, i64 } %a, i64 %size, 1
  ret { i64, i64 } %b
}

define internal ptr @block_new(i64 %index, i64 %size) {
  %slot = alloca ptr
  %huge = icmp uge i64 %size, 4194304
  %align = select i1 %huge, i64 2097152, i64 64
  %padded = add i64 %size, 64
  %round = sub i64 %align, 1
  %up = add i64 %padded, %round
  %keep = sub i64 0, %align
  %total = and i64 %up, %keep
  %failed = call i32 @posix_memalign(ptr %slot, i64 %align, i64 %total)
  %out = icmp ne i32 %failed, 0
  br i1 %out, label %none, label %got
none:
  ret ptr null
got:
  %base = load ptr, ptr %slot
  br i1 %huge, label %advise, label %done
advise:
  %ignored = call i32 @madvise(ptr %base, i64 %total, i32 ADVICE_HUGE_PAGES)
  br label %done
done:
  %class = getelementptr %Header, ptr %base, i32 0, i32 1
  store i64 %index, ptr %class
  %bytes = getelementptr %Header, ptr %base, i32 0, i32 2
  store i64 %size, ptr %bytes
  %block = getelementptr i8, ptr %base, i64 64
  ret ptr %block
}

define ptr @block_take(i64 %bytes) {
  %absurd = icmp ugt i64 %bytes, 1152921504606846976
  br i1 %absurd, label %none, label %sane
none:
  ret ptr null
sane:
  %class = call { i64, i64 } @block_class(i64 %bytes)
  %index = extractvalue { i64, i64 } %class, 0
  %size = extractvalue { i64, i64 } %class, 1
  %head = getelementptr ptr, ptr @block_heads, i64 %index
  %block = load ptr, ptr %head
  %empty = icmp eq ptr %block, null
  br i1 %empty, label %fresh, label %reuse
fresh:
  %new = call ptr @block_new(i64 %index, i64 %size)
  ret ptr %new
reuse:
  %base = getelementptr i8, ptr %block, i64 -64
  %next = load ptr, ptr %base
  store ptr %next, ptr %head
  %kept = load i64, ptr @block_kept_bytes
  %left = sub i64 %kept, %size
  store i64 %left, ptr @block_kept_bytes
  ret ptr %block
}

; A full pool empties itself first: what it holds are sizes that nobody asks for any more.
define void @block_give(ptr %block) {
  %nothing = icmp eq ptr %block, null
  br i1 %nothing, label %done, label %some
some:
  %base = getelementptr i8, ptr %block, i64 -64
  %bytes.p = getelementptr %Header, ptr %base, i32 0, i32 2
  %size = load i64, ptr %bytes.p
  %limit = load i64, ptr @block_limit_bytes
  %large = icmp ugt i64 %size, %limit
  br i1 %large, label %drop, label %fit
drop:
  call void @free(ptr %base)
  ret void
fit:
  %kept = load i64, ptr @block_kept_bytes
  %sum = add i64 %kept, %size
  %full = icmp ugt i64 %sum, %limit
  br i1 %full, label %trim, label %keep
trim:
  call void @block_trim()
  br label %keep
keep:
  %class.p = getelementptr %Header, ptr %base, i32 0, i32 1
  %index = load i64, ptr %class.p
  %head = getelementptr ptr, ptr @block_heads, i64 %index
  %next = load ptr, ptr %head
  store ptr %next, ptr %base
  store ptr %block, ptr %head
  %now = load i64, ptr @block_kept_bytes
  %total = add i64 %now, %size
  store i64 %total, ptr @block_kept_bytes
  br label %done
done:
  ret void
}

define void @block_trim() {
entry:
  br label %class
class:
  %index = phi i64 [ 0, %entry ], [ %index.next, %emptied ]
  %head = getelementptr ptr, ptr @block_heads, i64 %index
  %first = load ptr, ptr %head
  br label %each
each:
  %block = phi ptr [ %first, %class ], [ %next, %release ]
  %end = icmp eq ptr %block, null
  br i1 %end, label %emptied, label %release
release:
  %base = getelementptr i8, ptr %block, i64 -64
  %next = load ptr, ptr %base
  call void @free(ptr %base)
  br label %each
emptied:
  store ptr null, ptr %head
  %index.next = add i64 %index, 1
  %more = icmp ult i64 %index.next, 512
  br i1 %more, label %class, label %done
done:
  store i64 0, ptr @block_kept_bytes
  ret void
}
"""
