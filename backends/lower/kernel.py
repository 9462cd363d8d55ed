"""What lowering gives: kernels in the loop IR, and which memory each of their buffers is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.backends.loops.stmt import LoopKernel
from graphc.ir.dims import Dim, minimum
from graphc.ir.dtypes import DType
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.machine import TYPICAL, Machine, machine_of

if TYPE_CHECKING:
    from graphc.backends.program import Program
    from graphc.passes.fusion.body import Body


#: No kernel has as many chunks, and no buffer as many elements.
MOST = 2**40


@dataclass(frozen=True, eq=False)
class Temporary:
    """Memory that only kernels see: partial results, scratch rows, packed panels."""

    dtype: DType
    elements: Dim

    @property
    def bytes(self) -> Dim:
        return self.elements * self.dtype.bytes


Buffer = Tensor | Temporary


@dataclass(frozen=True, eq=False)
class Call:
    """A kernel and the memory behind its buffers, in the order of `kernel.buffers`."""

    kernel: LoopKernel
    arguments: tuple[Buffer, ...]
    chunks: Dim

    def only(self, wanted: Dim) -> Call:
        """The same where `wanted` is 1, without a chunk where it is 0."""
        return replace(self, chunks=counted(self.chunks, wanted))


def counted(number: Dim, wanted: Dim) -> Dim:
    """A number of chunks or elements where `wanted` is 1, none where it is 0."""
    return minimum(number, MOST * wanted)


@dataclass(frozen=True, eq=False)
class Nested:
    """A node that runs programs of its own: a loop or a branch. `scratch` is memory for carries and
    the programs' arenas. Before each of the `programs`, those of its `lengths` that are negative
    fail with their codes.
    """

    node: Node
    programs: tuple[Program, ...]
    scratch: tuple[Temporary, ...]
    lengths: tuple[tuple[tuple[Dim, int], ...], ...]

    @property
    def arguments(self) -> tuple[Buffer, ...]:
        """Operands, results, scratch."""
        return (*self.node.inputs, *self.node.outputs, *self.scratch)


@dataclass(frozen=True)
class Schedule:
    """How a body is looped over; no choice here changes a value, but for the fixed order in which
    sums are taken. A lowering chooses what is 0 or None, and may do without what is True.

    `vector_bits`: width of a vector register (0: scalar code). `registers`: how many there are (0:
    as on x86). `grain`: elements that a chunk works
    on, at least. `most_chunks`: chunks of a kernel that leaves partial results. `even`: two threads
    have as many chunks as each other. `unroll`: vectors in flight. `stream_bytes`: results of as
    many bytes and more are stored past the cache. `dots`: kinds of dot products that the machine
    has instructions for (`graphc.backends.loops.expr`).
    Reductions: `across`: lanes are neighbours in the result, not in the row. `by_lines`: those
    lanes take in whole lines, in tiles of `line_tile` elements. Maps: `turned`: squares are
    transposed where reads and stores go different ways. Products: `direct`: both operands are read
    where they lie, `in_place`: the left one is. `few`: rows up to which nothing is packed.
    `tile_vectors`: vectors side by side in a tile of sums, of blocks of `height` rows, `width`
    columns and `depth` summands. Convolutions: `positions` of a block. `cold`: constants come from
    memory, since a call reads more of them than a cache holds.
    """

    vector_bits: int = 512
    grain: int = TYPICAL.chunk_elements
    most_chunks: int = TYPICAL.most_partials
    even: bool = True
    unroll: int = TYPICAL.in_flight
    stream_bytes: int = TYPICAL.streamed
    dots: tuple[str, ...] = ()
    across: bool | None = None
    by_lines: bool = True
    line_tile: int = 0
    turned: bool = True
    direct: bool = True
    in_place: bool = True
    few: int | None = None
    tile_vectors: int = 0
    height: int = 0
    width: int = 0
    depth: int = 0
    positions: int = 0
    registers: int = 0
    cold: bool = False

    @property
    def machine(self) -> Machine:
        """The machine whose vectors these are."""
        return machine_of(self.vector_bits, self.registers)

    @property
    def fused(self) -> bool:
        """Whether multiply and add are one instruction."""
        return self.machine.fused

    def of(self, body: Body) -> Schedule:
        """The schedule of one body."""
        return self

    def lanes(self, bits: int) -> int:
        """Lanes of a vector of elements of that many bits."""
        return max(1, self.vector_bits // max(bits, 32)) if self.vector_bits else 1
