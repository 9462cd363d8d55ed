"""The order in which a block's instructions are written: the longest chains first, side by side.

A polynomial is a chain in which every step waits for the one before. A processor runs others
meanwhile, but only those among the next hundred instructions or so; here they are brought that
near. Instructions only move, so no bit of a result depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import groupby

AHEAD = 160
"""Among how many instructions the next one is chosen; of more the registers could not hold all."""
LONG = 40
"""Cycles of the longest chain from which a block is worth ordering."""
AT_ONCE = 2
"""Instructions that begin in a cycle."""

ALL = 1 << 30
"""More cycles than any chain has: what is stored at once needs a register no longer."""

_NAME = re.compile(r"%[\w.]+")
_POINTER = re.compile(r"\bptr\b")
_MEMORY = ("load", "store", "fence", "atomicrmw", "cmpxchg")
_READS = ("@llvm.masked.load", "@llvm.masked.gather")
_CYCLES = {"fdiv": 12, "load": 7, "fadd": 4, "fsub": 4, "fmul": 4, "call": 4, "fcmp": 3}
_CYCLES |= dict.fromkeys(("bitcast", "getelementptr", "fneg"), 0)


def ordered(lines: Iterable[str]) -> list[str]:
    """The lines of a function, each block's instructions in a good order."""
    out: list[str] = []
    for movable, run in groupby(lines, _may_move):
        block = list(run)
        out += _Block(block).ordered() if movable and _has_function(block) else block
    return out


def _may_move(line: str) -> bool:
    """Whether a line is an instruction, and neither the beginning nor the end of a block."""
    inside = line.startswith("  ") and not line.startswith(("  br ", "  ret", "  ;"))
    return inside and " = phi " not in line and " = alloca " not in line


def _has_function(block: Sequence[str]) -> bool:
    """Whether a function of the math library is computed: they all make floats out of bits, or look
    numbers up.
    """
    return any(" = bitcast " in line or "@gc.lookup." in line for line in block)


def _is_pure(result: str, call: str) -> bool:
    """Whether a call only computes: one of pointers, or without a result, does more; but a table
    is a constant.
    """
    return bool(result) and not (_POINTER.search(call) and "@gc.lookup." not in call)


class _Block:
    """Instructions with what each waits for, and the cycles from its begin to the block's end."""

    def __init__(self, lines: Sequence[str]):
        self.lines = lines
        self.cycles: list[int] = []
        self.stores: list[bool] = []
        self.waits: list[set[int]] = []
        self._made: dict[str, int] = {}
        self._wrote: dict[str, int] = {}
        self._read: dict[str, list[int]] = {}
        for k, line in enumerate(lines):
            self._add(k, line)
        self.left = list(self.cycles)
        for k in range(len(lines) - 1, -1, -1):
            for other in self.waits[k]:
                through = self.left[k] + self.cycles[other]
                if through > self.left[other]:
                    self.left[other] = through

    def _add(self, k: int, line: str) -> None:
        result, _, instruction = line[2:].rpartition(" = ")
        opcode = instruction.partition(" ")[0]
        names = _NAME.findall(instruction)
        waits = {self._made[name] for name in names if name in self._made}
        cycles = _CYCLES.get(opcode, 1)
        if opcode in _MEMORY or (opcode == "call" and not _is_pure(result, instruction)):
            slot = opcode in ("load", "store") and names[-1].startswith("%reg.")
            cycles = 0 if slot else cycles
            reads = opcode == "load" or any(read in instruction for read in _READS)
            waits |= self._memory(k, reads, names[-1] if slot else "")
        if result:
            self._made[result] = k
        self.cycles.append(cycles)
        self.stores.append(opcode == "store")
        self.waits.append(waits)

    def _memory(self, k: int, reads: bool, place: str) -> set[int]:
        """What came before that wrote the same place, or read what is written now.

        A register's slot is a place that has one name; all other memory is taken for one place.
        """
        waits = {self._wrote[place]} if place in self._wrote else set()
        if reads:
            self._read.setdefault(place, []).append(k)
            return waits
        waits.update(self._read.pop(place, ()))
        self._wrote[place] = k
        return waits

    def ordered(self) -> list[str]:
        """The lines as they begin, cycle by cycle, those first that most depends on."""
        if max(self.left) < LONG:
            return list(self.lines)
        return [self.lines[k] for k in _Turns(self).order()]


class _Turns:
    """Chooses the next instruction: one whose operands are there, with the longest chain left."""

    def __init__(self, block: _Block):
        self.block = block
        self.missing = list(map(len, block.waits))
        self.users: list[list[int]] = [[] for _ in block.lines]
        for k, waits in enumerate(block.waits):
            for other in waits:
                self.users[other].append(k)
        self.earliest = [0] * len(block.lines)
        self.waiting: list[tuple[int, int]] = []
        self.able: list[tuple[int, int]] = []
        self.now = self.seen = 0

    def order(self) -> list[int]:
        """All instructions in their turn."""
        out: list[int] = []
        done, first, begun = [False] * len(self.missing), 0, 0
        while len(out) < len(done):
            while done[first]:
                first += 1
            self._look_until(min(first + AHEAD, len(done)))
            if begun >= AT_ONCE or not self.able:
                self.now, begun = self.now + 1, 0
                continue
            k = heappop(self.able)[1]
            done[k] = True
            out.append(k)
            begun += self.block.cycles[k] > 0
            self._finish(k)
        return out

    def _look_until(self, end: int) -> None:
        """Takes in what has come within reach, and what can begin by now."""
        for k in range(self.seen, end):
            if not self.missing[k]:
                heappush(self.waiting, (self.earliest[k], k))
        self.seen = max(self.seen, end)
        while self.waiting and self.waiting[0][0] <= self.now:
            k = heappop(self.waiting)[1]
            first = ALL if self.block.stores[k] else self.block.left[k]
            heappush(self.able, (-first, k))

    def _finish(self, k: int) -> None:
        end = self.now + self.block.cycles[k]
        for user in self.users[k]:
            self.missing[user] -= 1
            if end > self.earliest[user]:
                self.earliest[user] = end
            if not self.missing[user] and user < self.seen:
                heappush(self.waiting, (self.earliest[user], user))
