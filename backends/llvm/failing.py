"""How code notes that a check failed: of several, the one with the lowest code, and the largest
value that it found, whichever thread comes first.
"""

from __future__ import annotations

from graphc.backends.llvm.values import Values

#: The code is -1 while a thread writes the pair.
_NOTE = """define internal void @gc_failed(ptr %status, i64 %code, i64 %value) noinline nounwind {
entry:
  %where = getelementptr i64, ptr %status, i64 1
  %seen = load atomic i64, ptr %status acquire, align 8
  %seen.value = load atomic i64, ptr %where monotonic, align 8
  %none = icmp eq i64 %seen, 0
  %after = icmp ult i64 %code, %seen
  %same = icmp eq i64 %code, %seen
  %larger = icmp sgt i64 %value, %seen.value
  %grows = and i1 %same, %larger
  %first = or i1 %none, %after
  %news = or i1 %first, %grows
  br i1 %news, label %take, label %done
take:
  %old = atomicrmw xchg ptr %status, i64 -1 acquire, align 8
  %busy = icmp eq i64 %old, -1
  br i1 %busy, label %take, label %held
held:
  %old.value = load atomic i64, ptr %where monotonic, align 8
  %old.none = icmp eq i64 %old, 0
  %old.after = icmp ult i64 %code, %old
  %old.same = icmp eq i64 %code, %old
  %old.larger = icmp sgt i64 %value, %old.value
  %old.grows = and i1 %old.same, %old.larger
  %old.first = or i1 %old.none, %old.after
  %wins = or i1 %old.first, %old.grows
  %new.value = select i1 %wins, i64 %value, i64 %old.value
  %new = select i1 %wins, i64 %code, i64 %old
  store atomic i64 %new.value, ptr %where monotonic, align 8
  store atomic i64 %new, ptr %status release, align 8
  ret void
done:
  ret void
}"""


def emit_failure(values: Values, status: str, code: str, value: str) -> None:
    """The statement that notes a failed check."""
    values.declare(_NOTE)
    values.emit(f"call void @gc_failed(ptr {status}, i64 {code}, i64 {value})")
