"""The file of a shared library for Linux on x86-64: its pieces, tables of names, and headers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from graphc.deploy.object_file import NOBITS, X86_64
from graphc.ir.record import dataclass

PAGE = 0x1000
SEGMENTS = 5
STRTAB, DYNAMIC = 3, 6


@dataclass
class Piece:
    """A section of the library: its contents, and where it goes."""

    name: str
    kind: int
    flags: int
    alignment: int
    data: bytearray
    size: int = 0
    address: int = 0
    link: str = ""
    info: int = 0
    entry: int = 0
    source: int = -1

    def __post_init__(self) -> None:
        self.size = max(self.size, len(self.data))


class Strings:
    """Texts one after the other, each ended by a zero; a text's place by the text."""

    def __init__(self, texts: Iterable[str]):
        self.data = b"\0"
        self._at: dict[str, int] = {}
        for text in texts:
            if text not in self._at:
                self._at[text] = len(self.data)
                self.data += text.encode() + b"\0"

    def __getitem__(self, text: str) -> int:
        return self._at[text]


def hash_table(names: Sequence[str]) -> bytes:
    """The System V hash table by which the dynamic linker finds symbols."""
    buckets, chains = [0] * max(1, len(names)), [0] * (1 + len(names))
    for k, name in enumerate(names, 1):
        bucket = _hash(name) % len(buckets)
        chains[k], buckets[bucket] = buckets[bucket], k
    return struct.pack(
        f"<{2 + len(buckets) + len(chains)}I", len(buckets), len(chains), *buckets, *chains
    )


def _hash(name: str) -> int:
    h = 0
    for byte in name.encode():
        h = (h << 4) + byte
        high = h & 0xF0000000
        h = (h ^ high >> 24) & ~high & 0xFFFFFFFF
    return h


def in_file(groups: Iterable[Sequence[Piece]]) -> list[Piece]:
    """The pieces of groups, in the order in which they lie."""
    return [piece for group in groups for piece in group]


def written(groups: Sequence[Sequence[Piece]], end: int) -> bytes:
    """The bytes of a library whose pieces have their places; the contents end at `end`."""
    pieces = in_file(groups)
    names = Strings([*(p.name for p in pieces), ".shstrtab"])
    strings_at = end
    headers_at = -(-(end + len(names.data)) // 8) * 8
    number = {p.name: k for k, p in enumerate(pieces, 1)}
    rows = [(0,) * 10]
    for p in pieces:
        link = number[p.link] if p.link else 0
        place = (p.address, p.address, p.size)
        rows.append((names[p.name], p.kind, p.flags, *place, link, p.info, p.alignment, p.entry))
    rows.append((names[".shstrtab"], STRTAB, 0, 0, strings_at, len(names.data), 0, 0, 1, 0))
    out = bytearray(headers_at + 64 * len(rows))
    magic = b"\x7fELF\x02\x01\x01" + bytes(9)
    counts = (64, 56, SEGMENTS, 64, len(rows), len(rows) - 1)
    struct.pack_into(
        "<16sHHIQQQIHHHHHH", out, 0, magic, 3, X86_64, 1, 0, 64, headers_at, 0, *counts
    )
    for k, segment in enumerate(_segments(groups)):
        struct.pack_into("<IIQQQQQQ", out, 64 + 56 * k, *segment)
    for p in pieces:
        out[p.address : p.address + len(p.data)] = p.data
    out[strings_at : strings_at + len(names.data)] = names.data
    for k, row in enumerate(rows):
        struct.pack_into("<IIQQQQIIQQ", out, headers_at + 64 * k, *row)
    return bytes(out)


def _segments(groups: Sequence[Sequence[Piece]]) -> list[tuple[int, ...]]:
    """The program headers: three loaded parts, the dynamic section, a stack without code."""
    found: list[tuple[int, ...]] = []
    for group, access in zip(groups, (4, 5, 6), strict=True):
        start = group[0].address if group is not groups[0] else 0
        stored = max(p.address + p.size for p in group if p.kind != NOBITS) - start
        full = group[-1].address + group[-1].size - start
        found.append((1, access, start, start, start, stored, full, PAGE))
    (dynamic,) = (p for p in groups[2] if p.kind == DYNAMIC)
    at, size = dynamic.address, dynamic.size
    found.append((2, 6, at, at, at, size, size, 8))
    return [*found, (0x6474E551, 6, 0, 0, 0, 0, 0, 16)]
