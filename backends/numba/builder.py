"""Emits one scalar expression of the loop IR into a function that Numba is compiling."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from graphc.backends.loops import expr as e
from graphc.backends.loops.casts import expand_cast
from graphc.backends.loops.expr import Expr
from graphc.backends.math import expand
from graphc.ir.dtypes import DType, bfloat16, float16, float32, int64

_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTEGER = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "and": "and_",
    "or": "or_",
    "xor": "xor",
    "shl": "shl",
}
_LIBDEVICE = {"floor", "ceil", "trunc", "rint", "fabs"}
_ROUND = {"floor", "ceil", "trunc", "rint", "sqrt"}
_ORDER = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def is_half(dtype: DType) -> bool:
    """Whether values of the dtype are kept as the 16 bits of a float."""
    return dtype is float16 or dtype is bfloat16


def value_type(dtype: DType) -> ir.Type:
    """The LLVM type of a value; 16-bit floats are kept as their bits."""
    if dtype.is_float and not is_half(dtype):
        return ir.FloatType() if dtype.bits == 32 else ir.DoubleType()
    return ir.IntType(dtype.bits)


def math_function(
    module: ir.Module, name: str, dtypes: tuple[DType, ...], gpu: bool
) -> ir.Function:
    """The function of the math library with that name, defined in the module on first use."""
    symbol = f"graphc_{name}_{'_'.join(d.name for d in dtypes)}"
    found = module.globals.get(symbol)
    if found is not None:
        return found
    types = [value_type(d) for d in dtypes]
    function = ir.Function(module, ir.FunctionType(types[0], types), symbol)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    operands = tuple(e.var(f"x{k}", d) for k, d in enumerate(dtypes))
    values = dict(zip((v.attr for v in operands), function.args, strict=True))
    builder.ret(ScalarBuilder(builder, values, gpu).value(expand(e.math(name, *operands))))
    return function


class ScalarBuilder:
    """Emits expressions over named values, each once.

    For a GPU the dialect of NVIDIA's compiler library is kept to, which lacks some intrinsics.
    """

    def __init__(self, builder: ir.IRBuilder, names: dict[str, Any], gpu: bool = False):
        self.builder, self.names, self.gpu = builder, names, gpu
        self._memo: dict[Expr, Any] = {}

    def value(self, x: Expr) -> Any:
        """The LLVM value of x, at the builder's place."""
        found = self._memo.get(x)
        if found is None:
            found = self._memo[x] = self._make(x)
        return found

    def _make(self, x: Expr) -> Any:
        if x.op == "const":
            return self._const(x)
        if x.op == "var":
            return self.names[x.attr]
        if x.op == "math":
            return self._math(x)
        if x.op in _ORDER:
            return self._compare(x)
        if x.op not in ("cast", "bitcast", "select") and is_half(x.dtype):
            return self.value(e.cast(self._in_float32(x), x.dtype))
        handler = getattr(self, f"_{x.op}", None)
        return handler(x) if handler is not None else self._arithmetic(x)

    def _in_float32(self, x: Expr) -> Expr:
        args = tuple(e.cast(a, float32) for a in x.args)
        return e.make(x.op, args, float32, 1, x.attr)

    def _const(self, x: Expr) -> Any:
        if is_half(x.dtype):
            bits = np.asarray(x.attr, dtype=x.dtype.numpy).view(np.uint16)
            return ir.Constant(ir.IntType(16), int(bits))
        if x.dtype is float32:
            return ir.Constant(ir.FloatType(), float(np.float32(x.attr)))
        return ir.Constant(value_type(x.dtype), x.attr)

    def _math(self, x: Expr) -> Any:
        dtypes = tuple(a.dtype for a in x.args)
        function = math_function(self.builder.module, x.attr, dtypes, self.gpu)
        return self.builder.call(function, [self.value(a) for a in x.args])

    def _arithmetic(self, x: Expr) -> Any:
        operands = [self.value(a) for a in x.args]
        if x.op in _ROUND:
            return self._intrinsic(x.op, x, operands) if x.dtype.is_float else operands[0]
        name = (_FLOAT if x.dtype.is_float else _INTEGER)[x.op]
        return getattr(self.builder, name)(*operands)

    def _intrinsic(self, name: str, x: Expr, operands: list[Any]) -> Any:
        type_ = value_type(x.dtype)
        function_type = ir.FunctionType(type_, [v.type for v in operands])
        module = self.builder.module
        if self.gpu and name in _LIBDEVICE:
            symbol = f"__nv_{name}{'f' if x.dtype is float32 else ''}"
            function = module.globals.get(symbol) or ir.Function(module, function_type, symbol)
        else:
            function = module.declare_intrinsic(f"llvm.{name}", [type_], function_type)
        return self.builder.call(function, operands)

    def _fma(self, x: Expr) -> Any:
        return self._intrinsic("fma", x, [self.value(a) for a in x.args])

    def _abs(self, x: Expr) -> Any:
        (a,) = x.args
        if x.dtype.is_float:
            return self._intrinsic("fabs", x, [self.value(a)])
        return self.value(e.select(a < 0, -a, a) if x.dtype.kind == "i" else a)

    def _neg(self, x: Expr) -> Any:
        value = self.value(x.args[0])
        if x.dtype.is_float:  # as -0.0 - x, since NVIDIA's library knows no fneg
            return self.builder.fsub(ir.Constant(value.type, -0.0), value)
        return self.builder.neg(value)

    def _not(self, x: Expr) -> Any:
        return self.builder.not_(self.value(x.args[0]))

    def _div(self, x: Expr) -> Any:
        a, b = map(self.value, x.args)
        if x.dtype.is_float:
            return self.builder.fdiv(a, b)
        return self.builder.sdiv(a, b) if x.dtype.kind == "i" else self.builder.udiv(a, b)

    def _rem(self, x: Expr) -> Any:
        a, b = map(self.value, x.args)
        return self.builder.srem(a, b) if x.dtype.kind == "i" else self.builder.urem(a, b)

    def _shr(self, x: Expr) -> Any:
        a, b = map(self.value, x.args)
        return self.builder.ashr(a, b) if x.dtype.kind == "i" else self.builder.lshr(a, b)

    def _mulhi(self, x: Expr) -> Any:
        wide = ir.IntType(2 * x.dtype.bits)
        a, b = (self.builder.zext(self.value(arg), wide) for arg in x.args)
        upper = self.builder.lshr(self.builder.mul(a, b), ir.Constant(wide, x.dtype.bits))
        return self.builder.trunc(upper, value_type(x.dtype))

    def _min(self, x: Expr) -> Any:
        return self._extreme(x, "<")

    def _max(self, x: Expr) -> Any:
        return self._extreme(x, ">")

    def _extreme(self, x: Expr, order: str) -> Any:
        a, b = map(self.value, x.args)
        wins = self._ordered(order, x.dtype, a, b)
        chosen = self.builder.select(wins, a, b)
        if not x.dtype.is_float:
            return chosen
        return self.builder.select(self.builder.fcmp_unordered("uno", a, a), a, chosen)

    def _compare(self, x: Expr) -> Any:
        a, b = x.args
        if is_half(a.dtype):
            a, b = e.cast(a, float32), e.cast(b, float32)
        return self._ordered(_ORDER[x.op], a.dtype, self.value(a), self.value(b))

    def _ordered(self, order: str, dtype: DType, a: Any, b: Any) -> Any:
        if dtype.is_float:
            compare = self.builder.fcmp_unordered if order == "!=" else self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_signed if dtype.kind == "i" else self.builder.icmp_unsigned
        return compare(order, a, b)

    def _select(self, x: Expr) -> Any:
        return self.builder.select(*map(self.value, x.args))

    def _bitcast(self, x: Expr) -> Any:
        value = self.value(x.args[0])
        type_ = value_type(x.dtype)
        return value if value.type == type_ else self.builder.bitcast(value, type_)

    def _cast(self, x: Expr) -> Any:
        simpler = expand_cast(x)
        if simpler is not None:
            return self.value(simpler)
        (a,) = x.args
        if x.dtype.kind == "b":
            return self.value(e.not_equal(a, 0))
        if a.dtype is float16:
            half = self.builder.bitcast(self.value(a), ir.HalfType())
            return self.builder.fpext(half, ir.FloatType())
        if x.dtype is float16:
            half = self.builder.fptrunc(self.value(a), ir.HalfType())
            return self.builder.bitcast(half, ir.IntType(16))
        if a.dtype.is_float and not x.dtype.is_float:
            return self._to_integer(x, a)
        return self._convert(self.value(a), a.dtype, x.dtype)

    def _convert(self, value: Any, have: DType, want: DType) -> Any:
        type_, wider = value_type(want), want.bits > have.bits
        if have.is_float:
            return self.builder.fpext(value, type_) if wider else self.builder.fptrunc(value, type_)
        signed = have.kind == "i"
        if want.is_float:
            convert = self.builder.sitofp if signed else self.builder.uitofp
            return convert(value, type_)
        if have.bits == want.bits:
            return value
        if not wider:
            return self.builder.trunc(value, type_)
        return self.builder.sext(value, type_) if signed else self.builder.zext(value, type_)

    def _to_integer(self, x: Expr, a: Expr) -> Any:
        """Small integers go through a wide one; beyond the widest, values stop at its ends."""
        if x.dtype.bits < 32:
            return self.value(e.cast(e.cast(a, int64), x.dtype))
        return self._stopped(x, a)

    def _stopped(self, x: Expr, a: Expr) -> Any:
        """Spelled out: NVIDIA's compiler library knows no intrinsic for it."""
        value, type_, signed = self.value(a), value_type(x.dtype), x.dtype.kind == "i"
        ends = np.iinfo(x.dtype.numpy)
        result = (self.builder.fptosi if signed else self.builder.fptoui)(value, type_)
        below = self.value(a < e.const(float(ends.min), a.dtype))
        result = self.builder.select(below, ir.Constant(type_, int(ends.min)), result)
        above = self.value(~(a < e.const(float(ends.max) + 1, a.dtype)))
        result = self.builder.select(above, ir.Constant(type_, int(ends.max)), result)
        nan = self.value(e.not_equal(a, a))
        return self.builder.select(nan, ir.Constant(type_, 0), result)
