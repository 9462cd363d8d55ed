"""The machine that code is made for, in numbers, and what follows from them: from when on fusing,
tiling, sharing out among threads or going past the cache pays.

Everything here is fixed, so that a program has the same code wherever it is compiled. The numbers
are those of a usual server core (measured by benchmarks/limits.py); `tune` finds what is better for
one kernel on one machine.
"""

from __future__ import annotations

import math

from graphc.ir.record import dataclass

FLOAT = 4
"""Bytes of a float32, in which numbers are counted."""

TO_AND_FRO = 2 * FLOAT
"""Bytes that an element moves which is read once and stored once."""


@dataclass(frozen=True)
class Machine:
    """A core and what it shares with others. `vector_bits` and `registers`: width and number of its
    vector registers; `fused`: one instruction multiplies and adds. Bytes of its `first` cache,
    which has so many `ways`, of its `second` one, and of the `shared` one behind them. Seconds:
    `clock` cycles in one, `multiply_adds` of float32 in a cycle, which take `latency` cycles each;
    bytes from the second cache and from memory in one; `hand_over` to a thread that waits, and
    `wake` of one that sleeps. `cores`: for how many work is cut.
    """

    vector_bits: int = 512
    registers: int = 32
    fused: bool = True
    first: int = 32 << 10
    ways: int = 8
    second: int = 1 << 20
    shared: int = 32 << 20
    clock: float = 3.65e9
    multiply_adds: int = 16
    latency: int = 4
    second_rate: float = 90e9
    memory_rate: float = 30e9
    hand_over: float = 1e-6
    wake: float = 5e-5
    cores: int = 32

    @property
    def rate(self) -> float:
        """Multiply-adds of float32 in a second."""
        return self.clock * self.multiply_adds

    # --- threads ----------------------------------------------------------------------------------

    @property
    def chunk_seconds(self) -> float:
        """The least time of a chunk: a fifth of it may be lost where work is handed over."""
        return 4 * self.hand_over

    @property
    def chunk_elements(self) -> int:
        """Elements that come from memory and go there in the time of a chunk."""
        return _rounded(self.chunk_seconds * self.memory_rate / TO_AND_FRO)

    @property
    def chunk_multiply_adds(self) -> int:
        """Multiply-adds in the time of a chunk."""
        return _rounded(self.chunk_seconds * self.rate)

    @property
    def most_partials(self) -> int:
        """Chunks that leave partial results, at most: enough to give every core an equal share."""
        return 2 * self.cores

    # --- arithmetic beside memory -----------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Vectors whose chains of additions hide each other's latency."""
        return self.latency

    @property
    def operands(self) -> int:
        """Registers for sums and operands: all but those for a constant and for a mask."""
        return self.registers - 2

    @property
    def again(self) -> int:
        """Operations that take as long as a result's way to the second cache and back: doing as
        many again is worth no more than keeping what they gave.
        """
        return math.ceil(TO_AND_FRO / self.second_rate * self.rate)

    @property
    def flops_per_byte(self) -> float:
        """Arithmetic operations in the time in which a byte comes from memory."""
        return 2 * self.rate / self.memory_rate

    @property
    def busy(self) -> int:
        """Operations per element from which a map waits for arithmetic, not for memory: for what it
        reads, for the line that its result is to lie in, and for that line's way back.
        """
        return round((TO_AND_FRO + FLOAT) * self.flops_per_byte)

    # --- caches -----------------------------------------------------------------------------------

    @property
    def line_tile(self) -> int:
        """Elements of a tile of a line: several such lines stay in the first cache."""
        return self.first // 16 // FLOAT

    @property
    def ahead(self) -> tuple[int, int]:
        """Elements between what is asked for and what is at work, at least and at most: part of the
        first cache, and of the second one.
        """
        return self.first // 4 // FLOAT, self.second // 16 // FLOAT

    @property
    def colliding(self) -> int:
        """Lines so many bytes apart have the same places in the first cache."""
        return self.first // self.ways

    @property
    def anywhere(self) -> int:
        """Lines that find places in the first cache wherever they lie, beside two others."""
        return self.ways - 2

    @property
    def twice_read(self) -> int:
        """Elements of a block that is read twice: a part of the second cache."""
        return self.second // 4 // FLOAT

    @property
    def panel_bytes(self) -> int:
        """Bytes of a product's packed panels, and of the sums of its block: all of that, what comes
        next and what passes by, is in the second cache.
        """
        return self.second // 4

    @property
    def streamed(self) -> int:
        """Bytes of a result that is better stored past the caches: nobody finds it there."""
        return self.shared // 2


def _rounded(x: float) -> int:
    """The power of two that is nearest in proportion."""
    return int(2 ** round(math.log2(x)))


TYPICAL = Machine()
"""What graphs are made for: with the widest registers; all else is the same for every ISA."""

MACHINES = (
    TYPICAL,
    Machine(256, 16),
    Machine(128, 16, fused=False, multiply_adds=8),
    Machine(128, 15, fused=False, multiply_adds=8),
    Machine(128, 32, multiply_adds=8),
    Machine(0, 16, fused=False, multiply_adds=1),
    Machine(0, 32, multiply_adds=1),
)
"""By the bits of a vector register and how many there are; of 0 bits is scalar code."""


def machine_of(vector_bits: int, registers: int = 0) -> Machine:
    """The machine with so many registers of so many bits (0: scalar code); with 0, as many as x86
    has.
    """
    of_width = (m for m in MACHINES if m.vector_bits == vector_bits)
    return next(m for m in of_width if registers in (0, m.registers))
