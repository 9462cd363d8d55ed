"""Workers of the thread pool as LLVM IR: how they start, wait for jobs and do their part."""

from __future__ import annotations

WORKERS_IR = """
; Returns the value of %word once it is no longer %old.
define internal i32 @gc_await(ptr %word, ptr %asleep, i32 %old) {
entry:
  %limit = load atomic i32, ptr @gc_spins monotonic, align 4
  br label %look
look:
  %spun = phi i32 [ 0, %entry ], [ %spun.next, %spin ]
  %now = load atomic i32, ptr %word acquire, align 4
  %changed = icmp ne i32 %now, %old
  br i1 %changed, label %done, label %patience
patience:
  %tired = icmp sge i32 %spun, %limit
  br i1 %tired, label %lie, label %spin
spin:
  call void @gc_pause()
  %spun.next = add i32 %spun, 1
  br label %look
lie:
  %flag = atomicrmw xchg ptr %asleep, i32 1 seq_cst
  br label %sleep
sleep:
  %seen = load atomic i32, ptr %word seq_cst, align 4
  %late = icmp ne i32 %seen, %old
  br i1 %late, label %wake, label %wait
wait:
  call void @gc_sleep(ptr %word, i32 %old)
  br label %sleep
wake:
  store atomic i32 0, ptr %asleep monotonic, align 4
  ret i32 %seen
done:
  ret i32 %now
}

define internal ptr @gc_work(ptr %argument) {
entry:
  %t = ptrtoint ptr %argument to i64
  %ticket = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t, i32 0
  %asleep = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t, i32 1
  %home = alloca [128 x i64]
  call void @gc_find_home(ptr %home)
  br label %idle
idle:
  %last = phi i32 [ 0, %entry ], [ %now, %job ], [ %now, %last.out ]
  %now = call i32 @gc_await(ptr %ticket, ptr %asleep, i32 %last)
  %fn = load ptr, ptr @gc_job
  %stop = icmp eq ptr %fn, null
  br i1 %stop, label %end, label %job
job:
  %frame = load ptr, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 1)
  %chunks = load i64, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 2)
  %parts = load i64, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 3)
  %mode = load i32, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 4)
  %beside = load i32, ptr getelementptr (%Job, ptr @gc_job, i32 0, i32 5)
  call void @gc_set_float_mode(i32 %mode)
  call void @gc_part_from(i32 %beside, ptr %home)
  call void @gc_share(ptr %fn, ptr %frame, i64 %chunks, i64 %parts, i64 %t)
  %before = atomicrmw sub ptr @gc_finish, i32 1 seq_cst
  %mine = icmp eq i32 %before, 1
  br i1 %mine, label %last.out, label %idle
last.out:
  %sleeping = load atomic i32, ptr getelementptr (%Finish, ptr @gc_finish, i32 0, i32 1) seq_cst,
      align 4
  call void @gc_wake(ptr @gc_finish, i32 %sleeping)
  br label %idle
end:
  ret ptr null
}

; Makes the pool this process's own. False if another thread is just doing so.
define internal i1 @gc_adopt() {
  %here = call i32 @getpid()
  %owner = load atomic i32, ptr @gc_owner acquire, align 4
  %ours = icmp eq i32 %owner, %here
  br i1 %ours, label %yes, label %claim
yes:
  ret i1 true
claim:
  %resetting = icmp eq i32 %owner, -1
  br i1 %resetting, label %no, label %try
try:
  %pair = cmpxchg ptr @gc_owner, i32 %owner, i32 -1 acq_rel monotonic
  %won = extractvalue { i32, i1 } %pair, 1
  br i1 %won, label %reset, label %no
reset:
  store i32 0, ptr @gc_started
  store i64 0, ptr @gc_finish
  store atomic i32 0, ptr @gc_busy monotonic, align 4
  store atomic i32 %here, ptr @gc_owner release, align 4
  ret i1 true
no:
  ret i1 false
}

; Starts workers until there are %wanted, if the system lets it; returns how many there are.
define internal i32 @gc_recruit(i32 %wanted) {
entry:
  %have = load i32, ptr @gc_started
  %enough = icmp sge i32 %have, %wanted
  br i1 %enough, label %return, label %begin
return:
  ret i32 %have
begin:
  %all = alloca [128 x i8], align 16
  %before = alloca [128 x i8], align 16
  %s1 = call i32 @sigfillset(ptr %all)
  %s2 = call i32 @pthread_sigmask(i32 SIG_SETMASK, ptr %all, ptr %before)
  %attributes = alloca [128 x i8], align 16
  %a1 = call i32 @pthread_attr_init(ptr %attributes)
  %usual.p = alloca i64
  store i64 0, ptr %usual.p
  %a2 = call i32 @pthread_attr_getstacksize(ptr %attributes, ptr %usual.p)
  %usual = load i64, ptr %usual.p
  %stack = call i64 @llvm.smax.i64(i64 %usual, i64 LEAST_STACK)
  %a3 = call i32 @pthread_attr_setstacksize(ptr %attributes, i64 %stack)
  br label %next
next:
  %k = phi i32 [ %have, %begin ], [ %t, %more ]
  %full = icmp sge i32 %k, %wanted
  br i1 %full, label %end, label %start
start:
  %t = add i32 %k, 1
  %t64 = zext i32 %t to i64
  %worker = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t64
  store i64 0, ptr %worker
  %thread = getelementptr %Worker, ptr %worker, i32 0, i32 2
  store i64 0, ptr %thread
  %argument = inttoptr i64 %t64 to ptr
  %refused = call i32 @pthread_create(
      ptr %thread, ptr %attributes, ptr @gc_work, ptr %argument)
  %failed = icmp ne i32 %refused, 0
  br i1 %failed, label %end, label %more
more:
  br label %next
end:
  %a4 = call i32 @pthread_attr_destroy(ptr %attributes)
  %s3 = call i32 @pthread_sigmask(i32 SIG_SETMASK, ptr %before, ptr null)
  store i32 %k, ptr @gc_started
  ret i32 %k
}

; Hands the job in @gc_job to workers 1 .. %last.
define internal void @gc_publish(i64 %last) {
entry:
  br label %next
next:
  %t = phi i64 [ 1, %entry ], [ %t.next, %tell ]
  %more = icmp ule i64 %t, %last
  br i1 %more, label %tell, label %done
tell:
  %ticket = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t, i32 0
  %asleep.p = getelementptr [MAX_THREADS x %Worker], ptr @gc_workers, i64 0, i64 %t, i32 1
  %before = atomicrmw add ptr %ticket, i32 1 seq_cst
  %asleep = load atomic i32, ptr %asleep.p seq_cst, align 4
  call void @gc_wake(ptr %ticket, i32 %asleep)
  %t.next = add i64 %t, 1
  br label %next
done:
  ret void
}

"""
