"""Spells a device kernel as an LLVM function for NVIDIA GPUs.

Its parameters: a pointer to the status (code, value), the buffers, the sizes.
"""

from __future__ import annotations

from graphc.backends.cuda.device import THREAD, DeviceKernel
from graphc.backends.cuda.values import GLOBAL, LOCAL, SHARED, DeviceValues
from graphc.backends.llvm.function import KernelFunction
from graphc.backends.llvm.types import memory_type
from graphc.backends.loops.stmt import Alloc, Barrier, Check, For

_SREG = "declare i32 @llvm.nvvm.read.ptx.sreg.{}() nounwind memory(none)"
_BARRIER = "declare void @llvm.nvvm.barrier0() convergent nounwind"


class DeviceFunction(KernelFunction):
    """The text of a device kernel's function."""

    values: DeviceValues

    def __init__(self, kernel: DeviceKernel, name: str, aliased: frozenset[str] = frozenset()):
        super().__init__(kernel.loops, name, aliased)
        self.device = kernel
        self.values = DeviceValues()
        self.globals: list[str] = []

    def text(self) -> tuple[str, dict[str, None]]:
        """The function with its shared memory, and the declarations that it needs."""
        params = [f"ptr addrspace({GLOBAL}) %status"]
        names = self.values.names[0]
        for p in self.kernel.buffers:
            names[p.name] = f"%{p.name}"
            self.values.spaces[p.name] = GLOBAL
            alone = "" if p.name in self.aliased else " noalias"
            params.append(f"{self.values.pointer_type(p.name)}{alone} %{p.name}")
        for size in self.kernel.sizes:
            names[size] = f"%{size}"
            params.append(f"i64 %{size}")
        names["thread"], names["block"] = self._register("tid.x"), self._register("ctaid.x")
        self._body(self.kernel.body)
        head = f"define ptx_kernel void @{self.name}({', '.join(params)}) nounwind {{"
        lines = [head, "entry:", *self.slots, *self.values.lines, "  ret void", "}"]
        return "\n".join([*self.globals, *lines]) + "\n", self.values.declarations

    def _register(self, name: str) -> str:
        self.values.declare(_SREG.format(name))
        narrow = self.values.assign(f"call i32 @llvm.nvvm.read.ptx.sreg.{name}()")
        return self.values.assign(f"zext i32 {narrow} to i64")

    def _barrier(self, s: Barrier) -> None:
        self.values.declare(_BARRIER)
        self.values.emit("call void @llvm.nvvm.barrier0()")
        self._forget_memory()

    def _forget_memory(self) -> None:
        """Other threads may have written anything."""
        for buffer in self.values.spaces:
            self.values.changed(buffer)

    def _alloc(self, s: Alloc) -> None:
        type_ = f"[{s.size} x {memory_type(s.dtype)}]"
        if s.shared:
            name = f"@{self.name}.{s.buffer}"
            space = f"internal addrspace({SHARED}) global"
            self.globals.append(f"{name} = {space} {type_} poison, align 16")
        else:
            name = f"%{s.buffer}"
            self.slots.append(f"  {name} = alloca {type_}, align 16")
        self.values.names[0][s.buffer] = name
        self.values.spaces[s.buffer] = SHARED if s.shared else LOCAL

    def _for(self, s: For) -> None:
        if s.kind != "thread":
            super()._for(s)
            return
        self._counted(s, self.values.value(s.begin + THREAD), self.device.threads)

    def _check(self, s: Check) -> None:
        """The first failure is kept whole: whoever turns the code from 0 writes the value."""
        v = self.values
        failed, first, after = (self._label(h) for h in ("failed", "first", "after"))
        v.emit(f"br i1 {v.value(~s.condition)}, label %{failed}, label %{after}")
        self._start(failed)
        v.push()
        pair = v.assign(
            f"cmpxchg ptr addrspace({GLOBAL}) %status, i64 0, i64 {s.code} monotonic monotonic"
        )
        won = v.assign(f"extractvalue {{ i64, i1 }} {pair}, 1")
        v.emit(f"br i1 {won}, label %{first}, label %{after}")
        self._start(first)
        where = v.assign(f"getelementptr i64, ptr addrspace({GLOBAL}) %status, i64 1")
        v.emit(f"store {v.typed(s.value)}, ptr addrspace({GLOBAL}) {where}")
        v.pop()
        v.emit(f"br label %{after}")
        self._start(after)
