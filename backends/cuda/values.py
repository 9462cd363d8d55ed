"""Scalar expressions as LLVM IR for a GPU: every buffer lies in an address space."""

from __future__ import annotations

from graphc.backends.llvm.types import memory_type, scalar_type
from graphc.backends.llvm.values import Values
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType

GLOBAL, SHARED, LOCAL = 1, 3, 0


class DeviceValues(Values):
    """The values of one thread's function. `spaces` has the address space of every buffer."""

    tables = False

    def __init__(self) -> None:
        super().__init__()
        self.spaces: dict[str, int] = {}
        self._joins = 0

    def pointer_type(self, buffer: str) -> str:
        """The type of pointers to elements of the buffer."""
        return f"ptr addrspace({self.spaces[buffer]})"

    def address(self, buffer: str, index: Expr, dtype: DType) -> str:
        base = f"{self.pointer_type(buffer)} {self.named(buffer)}"
        return self.assign(
            f"getelementptr inbounds {memory_type(dtype)}, {base}, {self.typed(index)}"
        )

    def _load(self, x: Expr) -> str:
        type_ = memory_type(x.dtype)
        if len(x.args) > 1:
            return self._from_memory(self._guarded(x, type_), x.dtype, 1)
        return self._from_memory(self._element(x, type_), x.dtype, 1)

    def _element(self, x: Expr, type_: str) -> str:
        pointer = self.address(x.attr, x.args[0], x.dtype)
        where = f"{self.pointer_type(x.attr)} {pointer}"
        return self.assign(f"load {type_}, {where}, align {x.dtype.bytes}")

    def _guarded(self, x: Expr, type_: str) -> str:
        """An element where the mask holds, else zero: nothing is read there."""
        self._joins += 1
        yes, no, join = (f"{hint}.load.{self._joins}" for hint in ("from", "yes", "join"))
        mask, index = self.value(x.args[1]), x.args[0]
        self.value(index)
        self.emit(f"br label %{yes}")
        self.lines.append(f"{yes}:")
        self.emit(f"br i1 {mask}, label %{no}, label %{join}")
        self.lines.append(f"{no}:")
        element = self._element(x, type_)
        self.emit(f"br label %{join}")
        self.lines.append(f"{join}:")
        zero = "0" if not x.dtype.is_float or type_ == "i16" else "0.0"
        return self.assign(f"phi {type_} [ {element}, %{no} ], [ {zero}, %{yes} ]")

    def store(
        self, buffer: str, index: Expr, x: Expr, mask: Expr | None, stream: bool = False
    ) -> None:
        assert mask is None, "a masked store is a branch"
        value, type_ = self.value(x), memory_type(x.dtype)
        if x.dtype.kind == "b":
            value = self.assign(f"zext {scalar_type(x.dtype)} {value} to i8")
        where = f"{self.pointer_type(buffer)} {self.address(buffer, index, x.dtype)}"
        self.emit(f"store {type_} {value}, {where}, align {x.dtype.bytes}")
        self.changed(buffer)
