"""Compiles an expression of variables over arrays with LLVM: what the tests of the math library evaluate with."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from graphc.backends.loops.expr import Expr, math, var
from graphc.backends.math import expand
from graphc.ir.dtypes import DType, float32, float64

FLOAT_OPS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "neg": "fneg"}
INTEGER_OPS = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor", "shl": "shl"}
INTRINSICS = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "roundeven",
              "fma": "fma", "min": "minimum", "max": "maximum"}  # fmt: skip
FLOAT_COMPARISONS = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def nodes(root: Expr, skip_rare: bool = False) -> Iterator[Expr]:
    """Every node under root once, operands first; perhaps without what only the rare side of a select needs."""
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            rare = skip_rare and is_rare(node)
            args = (node.args[0], node.args[2]) if rare else node.args
            stack.extend((a, False) for a in reversed(args))


def is_rare(node: Expr) -> bool:
    """Whether node is a select whose first side is seldom needed."""
    return node.op == "select" and node.attr == "rarely"


def operations(root: Expr) -> int:
    """How many instructions the expression usually takes; constants, broadcasts and rare sides are not counted."""
    return sum(n.op not in ("const", "var", "broadcast", "bitcast") for n in nodes(root, True))


def _scalar(dtype: DType) -> str:
    if dtype.is_float:
        return {32: "float", 64: "double"}[dtype.bits]
    return f"i{dtype.bits}"


def _type(node: Expr) -> str:
    return _scalar(node.dtype) if node.lanes == 1 else f"<{node.lanes} x {_scalar(node.dtype)}>"


def _literal(node: Expr) -> str:
    if node.dtype.is_float:
        rounded = float(node.dtype.numpy.type(node.attr))
        assert rounded == node.attr or node.attr != node.attr, f"{node.attr} is not a {node.dtype}"
        return "0x" + struct.pack(">d", node.attr).hex().upper()
    return str(int(node.attr))


class Emitter:
    """LLVM text of one expression."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self.names: dict[int, str] = {}
        self.variables = variables
        self.block = "loop"

    def emit(self, root: Expr) -> str:
        for node in nodes(root, skip_rare=True):
            if id(node) not in self.names:
                self.names[id(node)] = self._rarely(node) if is_rare(node) else self._node(node)
        return self.names[id(root)]

    def _rarely(self, n: Expr) -> str:
        """A branch round the rare side, taken where any lane needs it."""
        condition, usual = self.names[id(n.args[0])], self.names[id(n.args[2])]
        start, rare, done = self.block, f"rare{len(self.lines)}", f"done{len(self.lines)}"
        mask = condition
        if n.lanes > 1:
            bits = self._set(f"bitcast <{n.lanes} x i1> {condition} to i{n.lanes}")
            mask = self._set(f"icmp ne i{n.lanes} {bits}, 0")
        self.lines += [f"br i1 {mask}, label %{rare}, label %{done}", f"{rare}:"]
        self.block = rare
        before = dict(self.names)
        yes = self.emit(n.args[1])
        self.names = before
        chosen = self._set(f"select {_type(n.args[0])} {condition}, {_type(n)} {yes}, {_type(n)} {usual}")
        self.lines += [f"br label %{done}", f"{done}:"]
        end, self.block = self.block, done
        return self._set(f"phi {_type(n)} [{usual}, %{start}], [{chosen}, %{end}]")

    def _set(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def _call(self, name: str, result: str, *args: tuple[str, str]) -> str:
        symbol = f"@llvm.{name}.{self._suffix(result)}"
        self.declared.add(f"declare {result} {symbol}({', '.join(t for t, _ in args)})")
        return self._set(f"call {result} {symbol}({', '.join(f'{t} {v}' for t, v in args)})")

    def _suffix(self, result: str) -> str:
        short = result.replace("float", "f32").replace("double", "f64")
        return short if short[0] != "<" else "v" + short[1:-1].replace(" x ", "")

    def _node(self, n: Expr) -> str:
        t, args = _type(n), [self.names[id(a)] for a in n.args]
        if n.op == "const":
            return _literal(n)
        if n.op == "var":
            return self.variables[n.attr]
        if n.op == "broadcast":
            return self._broadcast(n, args[0])
        if n.op in FLOAT_COMPARISONS:
            return self._compare(n, args)
        if n.op in ("cast", "bitcast"):
            return self._cast(n, args[0])
        if n.op == "select":
            (c, x, y) = args
            return self._set(f"select {_type(n.args[0])} {c}, {t} {x}, {t} {y}")
        if n.op == "mulhi":
            return self._mulhi(n, args)
        return self._arithmetic(n, t, args)

    def _arithmetic(self, n: Expr, t: str, args: list[str]) -> str:
        if n.dtype.is_float:
            if n.op in FLOAT_OPS:
                return self._set(f"{FLOAT_OPS[n.op]} {t} {', '.join(args)}")
            name = {"abs": "fabs", **INTRINSICS}[n.op]
            return self._call(name, t, *((t, a) for a in args))
        if n.op == "shr":
            return self._set(f"{'ashr' if n.dtype.kind == 'i' else 'lshr'} {t} {', '.join(args)}")
        if n.op == "neg":
            zero = "zeroinitializer" if n.lanes > 1 else "0"
            return self._set(f"sub {t} {zero}, {args[0]}")
        if n.op == "not":
            ones = f"splat ({_scalar(n.dtype)} -1)" if n.lanes > 1 else "-1"
            return self._set(f"xor {t} {args[0]}, {ones}")
        return self._set(f"{INTEGER_OPS[n.op]} {t} {', '.join(args)}")

    def _broadcast(self, n: Expr, x: str) -> str:
        scalar = _scalar(n.dtype)
        if n.args[0].op == "const":
            return f"splat ({scalar} {x})"
        v = self._set(f"insertelement {_type(n)} poison, {scalar} {x}, i32 0")
        return self._set(f"shufflevector {_type(n)} {v}, {_type(n)} poison, <{n.lanes} x i32> zeroinitializer")

    def _compare(self, n: Expr, args: list[str]) -> str:
        dtype, t = n.args[0].dtype, _type(n.args[0])
        if dtype.is_float:
            return self._set(f"fcmp {FLOAT_COMPARISONS[n.op]} {t} {args[0]}, {args[1]}")
        sign = "" if n.op in ("eq", "ne") else ("s" if dtype.kind == "i" else "u")
        return self._set(f"icmp {sign}{n.op} {t} {args[0]}, {args[1]}")

    def _cast(self, n: Expr, x: str) -> str:
        a, b = n.args[0].dtype, n.dtype
        if n.op == "bitcast":
            word = "bitcast"
        elif a.is_float and b.is_float:
            word = "fpext" if b.bits > a.bits else "fptrunc"
        elif a.is_float:
            word = "fptosi" if b.kind == "i" else "fptoui"
        elif b.is_float:
            word = "sitofp" if a.kind == "i" else "uitofp"
        elif b.bits == a.bits:
            return x
        else:
            word = "trunc" if b.bits < a.bits else ("sext" if a.kind == "i" else "zext")
        return self._set(f"{word} {_type(n.args[0])} {x} to {_type(n)}")

    def _mulhi(self, n: Expr, args: list[str]) -> str:
        t = _type(n)
        wide = t.replace(f"i{n.dtype.bits}", f"i{2 * n.dtype.bits}")
        x, y = (self._set(f"zext {t} {a} to {wide}") for a in args)
        product = self._set(f"mul {wide} {x}, {y}")
        shift = f"splat (i{2 * n.dtype.bits} {n.dtype.bits})" if n.lanes > 1 else str(n.dtype.bits)
        return self._set(f"trunc {wide} {self._set(f'lshr {wide} {product}, {shift}')} to {t}")


def module_text(root: Expr, inputs: int) -> str:
    """A module with `run(out, x0, x1, ..., blocks)`: one block is one vector of the expression."""
    t, scalar = _type(root), _scalar(root.dtype)
    emitter = Emitter({f"x{i}": f"%x{i}" for i in range(inputs)})
    result = emitter.emit(root)
    params = ", ".join(["ptr noalias %out"] + [f"ptr %p{i}" for i in range(inputs)] + ["i64 %n"])
    loads = "\n".join(f"%a{i} = getelementptr {t}, ptr %p{i}, i64 %i\n%x{i} = load {t}, ptr %a{i}, align {root.dtype.bytes}"
                      for i in range(inputs))  # fmt: skip
    body = "\n".join(emitter.lines)
    return f"""
{chr(10).join(sorted(emitter.declared))}
define void @run({params}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %{emitter.block}]
{loads}
{body}
  %o = getelementptr {t}, ptr %out, i64 %i
  store {t} {result}, ptr %o, align {root.dtype.bytes}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
; {scalar}
"""


_engines: list[Any] = []


@cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten() + ",-prefer-256-bit"
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)


def compile_expression(root: Expr, inputs: int) -> Callable[..., Any]:
    """A function of contiguous arrays of the expression's dtype; any length."""
    module = llvm.parse_assembly(module_text(root, inputs))
    module.verify()
    machine = _machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    llvm.create_pass_builder(machine, options).getModulePassManager().run(module, llvm.create_pass_builder(machine, options))
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _engines.append(engine)
    native = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (1 + inputs), ctypes.c_int64)(engine.get_function_address("run"))
    lanes = root.lanes

    def run(*arrays: Any, out: Any = None) -> Any:
        assert len(arrays) == inputs
        size = arrays[0].size
        blocks = -(-size // lanes)
        if size % lanes:
            arrays = tuple(np.resize(a, blocks * lanes) for a in arrays)
        if out is None or size % lanes:
            out = np.empty(blocks * lanes, root.dtype.numpy)
        if blocks:
            native(out.ctypes.data, *(a.ctypes.data for a in arrays), blocks)
        return out[:size]

    return run


@cache
def compiled(name: str, dtype: DType, inputs: int = 1, lanes: int = 0) -> Callable[..., Any]:
    """The math function `name` over arrays."""
    lanes = lanes or {float32: 16, float64: 8}[dtype]
    return compile_expression(expand(math(name, *(var(f"x{i}", dtype, lanes) for i in range(inputs)))), inputs)
