"""Links one object file into a shared library for Linux on x86-64, so that nobody needs a linker.

The file has three loaded parts: what is only read (the dynamic linker's tables, constants), code,
and what is written (tables of addresses, data). Functions of other libraries are called through
stubs that jump to an address in a table; the dynamic linker fills the table when it loads the file.
Names are bound without versions, so the library runs with any C library that has them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import field

from graphc.deploy.library_file import (
    DYNAMIC,
    PAGE,
    SEGMENTS,
    STRTAB,
    Piece,
    Strings,
    hash_table,
    in_file,
    written,
)
from graphc.deploy.object_file import (
    ABSOLUTE,
    ALLOC,
    EXECUTE,
    FINI_ARRAY,
    INIT_ARRAY,
    LOCAL,
    NOBITS,
    PROGBITS,
    UNDEFINED,
    WRITE,
    ObjectError,
    ObjectFile,
    Section,
    Symbol,
    is_object,
    read_object,
)
from graphc.ir.record import dataclass

STUB = 8
ABS64, PC32, PLT32, GOTPCREL, PC64 = 1, 2, 4, 9, 24
GOTPCRELX, REX_GOTPCRELX = 41, 42
GLOB_DAT, RELATIVE = 6, 8
DYNSYM, HASH, RELA = 11, 5, 4

DYNAMIC_ENTRIES = 16

_LIBRARIES: dict[str, Callable[[str], bool]] = {
    "libm.so.6": lambda name: name in ("fma", "fmaf"),
    "libpthread.so.0": lambda name: name.startswith("pthread_"),
}


def link(data: bytes, name: str) -> bytes:
    """The shared library of an object file; `name` is what programs linked to it will look for."""
    if not is_object(data):
        raise ObjectError("this is no relocatable ELF object for x86-64")
    return _Linker(read_object(data), name).file()


@dataclass
class _Linker:
    given: ObjectFile
    name: str
    pieces: dict[str, Piece] = field(default_factory=dict)
    home: dict[int, Piece] = field(default_factory=dict)

    def __post_init__(self) -> None:
        symbols = [x for x in self.given.symbols if x.name and x.binding != LOCAL]
        wanted = {self.given.symbols[r.symbol].name for r in self.given.relocations}
        self.imports = [
            x for x in symbols if x.section == UNDEFINED and x.name in wanted and not _is_table(x)
        ]
        self.exports = [x for x in symbols if x.section != UNDEFINED and not x.hidden]
        self.slots = {x.name: 8 * k for k, x in enumerate(self.imports)}
        for x in self._indirect():
            self.slots.setdefault(x.name, 8 * len(self.slots))
        self.absolute = [
            r for r in self.given.relocations if r.kind == ABS64 and self._is_kept(r.section)
        ]

    def _indirect(self) -> list[Symbol]:
        """What is addressed through the table although it lies in this library."""
        kinds = (GOTPCREL, GOTPCRELX, REX_GOTPCRELX)
        found = [self.given.symbols[r.symbol] for r in self.given.relocations if r.kind in kinds]
        return [x for x in found if x.section != UNDEFINED]

    def _is_kept(self, number: int) -> bool:
        return bool(self.given.sections[number].flags & ALLOC)

    def file(self) -> bytes:
        """The whole library."""
        self._make_pieces()
        groups = [self._group(k) for k in range(3)]
        end = self._place(groups)
        self._fill_tables()
        for r in self.given.relocations:
            if self._is_kept(r.section):
                self._relocate(r.section, r.offset, r.kind, self.given.symbols[r.symbol], r.addend)
        return written(groups, end)

    # What there is

    def _make_pieces(self) -> None:
        names = [x.name for x in (*self.imports, *self.exports)]
        self.strings = Strings([*names, *self._needed(), self.name])
        self._table(".hash", HASH, hash_table(names), link=".dynsym", entry=4)
        self._table(".dynsym", DYNSYM, bytes(24 * (1 + len(names))), link=".dynstr", entry=24)
        self._table(".dynstr", STRTAB, self.strings.data)
        count = len(self.slots) + len(self.absolute)
        self._table(".rela.dyn", RELA, bytes(24 * count), link=".dynsym", entry=24)
        for number, section in enumerate(self.given.sections):
            if self._is_kept(number) and section.size:
                self._add(_copied(section, number))
        self._table(".plt", PROGBITS, bytes(STUB * len(self.imports)), EXECUTE)
        self._table(".got", PROGBITS, bytes(8 * len(self.slots)), WRITE, entry=8)
        size = 16 * (len(self._needed()) + DYNAMIC_ENTRIES)
        self._table(".dynamic", DYNAMIC, bytes(size), WRITE, link=".dynstr", entry=16)

    def _table(
        self, name: str, kind: int, data: bytes, access: int = 0, link: str = "", entry: int = 0
    ) -> None:
        info = int(kind == DYNSYM)  # the first symbol that is not local
        piece = Piece(name, kind, ALLOC | access, 8, bytearray(data), link=link, info=info)
        piece.entry = entry
        self._add(piece)

    def _add(self, piece: Piece) -> None:
        if piece.name in self.pieces:
            piece.name += f".{piece.source}"
        self.pieces[piece.name] = piece
        if piece.source >= 0:
            self.home[piece.source] = piece

    def _needed(self) -> list[str]:
        """The libraries whose functions are called."""
        names = [x.name for x in self.imports]
        more = [library for library, its in _LIBRARIES.items() if any(map(its, names))]
        return [*more, "libc.so.6"]

    def _group(self, k: int) -> list[Piece]:
        """Only read, code, or written; there what has no contents in the file comes last."""
        found = [p for p in self.pieces.values() if _rank(p.flags) == k and p.size]
        return sorted(found, key=lambda p: p.kind == NOBITS)

    # Where it goes

    def _place(self, groups: Sequence[Sequence[Piece]]) -> int:
        """Gives every piece its address, which is its place in the file too; the file's length."""
        at = 64 + 56 * SEGMENTS
        end = at
        for group in groups:
            at = -(-at // PAGE) * PAGE if group is not groups[0] else at
            for piece in group:
                at = -(-at // piece.alignment) * piece.alignment
                piece.address = at
                at += piece.size
                end = at if piece.kind != NOBITS else end
        return end

    def _address(self, symbol: Symbol) -> int:
        if symbol.section == ABSOLUTE:
            return symbol.value
        return self.home[symbol.section].address + symbol.value

    def _slot(self, symbol: Symbol) -> int:
        return self.pieces[".got"].address + self.slots[symbol.name]

    # What it holds

    def _relocate(self, section: int, offset: int, kind: int, symbol: Symbol, addend: int) -> None:
        piece = self.home[section]
        place = piece.address + offset
        if kind in (GOTPCREL, GOTPCRELX, REX_GOTPCRELX):
            target = self._slot(symbol)
        elif _is_table(symbol):
            target = self.pieces[".got"].address
        elif symbol.section == UNDEFINED:
            if kind not in (PLT32, PC32):
                raise ObjectError(f"{symbol.name!r} is of another library; it can only be called")
            target = self.pieces[".plt"].address + STUB * (self.slots[symbol.name] // 8)
        else:
            target = self._address(symbol)
        if kind in (PC32, PLT32, GOTPCREL, GOTPCRELX, REX_GOTPCRELX):
            distance = target + addend - place
            if not -(1 << 31) <= distance < 1 << 31:
                raise ObjectError("the library would be larger than code can address: 2 GiB")
            struct.pack_into("<i", piece.data, offset, distance)
        elif kind == PC64:
            struct.pack_into("<q", piece.data, offset, target + addend - place)
        elif kind == ABS64:
            struct.pack_into("<Q", piece.data, offset, target + addend)
        else:
            raise ObjectError(f"relocations of kind {kind} are unknown here")

    def _fill_tables(self) -> None:
        self._fill_symbols()
        self._fill_relocations()
        plt, got = self.pieces[".plt"], self.pieces[".got"]
        for k, x in enumerate(self.imports):
            at = STUB * k
            jump = got.address + self.slots[x.name] - (plt.address + at + 6)
            struct.pack_into("<2si2s", plt.data, at, b"\xff\x25", jump, b"\x66\x90")
        for k, entry in enumerate(self._dynamic()):
            struct.pack_into("<QQ", self.pieces[".dynamic"].data, 16 * k, *entry)

    def _fill_symbols(self) -> None:
        table = self.pieces[".dynsym"].data
        index = {id(p): k for k, p in enumerate(in_file([self._group(k) for k in range(3)]), 1)}
        for k, x in enumerate((*self.imports, *self.exports), 1):
            defined = x.section != UNDEFINED
            section = index[id(self.home[x.section])] if defined else 0
            row = (self.strings[x.name], x.binding << 4 | x.kind, 0, section)
            address = self._address(x) if defined else 0
            struct.pack_into("<IBBHQQ", table, 24 * k, *row, address, x.size if defined else 0)

    def _fill_relocations(self) -> None:
        """What the dynamic linker fills in: addresses in this library, then those in others."""
        known = {x.name: x for x in self._indirect()}
        inner = [(self._slot(x), RELATIVE, self._address(x)) for x in known.values()]
        for r in self.absolute:
            place = self.home[r.section].address + r.offset
            inner.append((place, RELATIVE, self._address(self.given.symbols[r.symbol]) + r.addend))
        outer = [(self._slot(x), k << 32 | GLOB_DAT, 0) for k, x in enumerate(self.imports, 1)]
        for k, row in enumerate((*inner, *outer)):
            struct.pack_into("<QQq", self.pieces[".rela.dyn"].data, 24 * k, *row)

    def _dynamic(self) -> list[tuple[int, int]]:
        piece = self.pieces
        entries = [(1, self.strings[n]) for n in self._needed()] + [(14, self.strings[self.name])]
        entries += [(4, piece[".hash"].address), (5, piece[".dynstr"].address)]
        entries += [(6, piece[".dynsym"].address), (10, piece[".dynstr"].size), (11, 24)]
        entries += [(7, piece[".rela.dyn"].address), (8, piece[".rela.dyn"].size), (9, 24)]
        for tag, kind in ((25, INIT_ARRAY), (26, FINI_ARRAY)):
            for p in piece.values():
                if p.kind == kind:
                    entries += [(tag, p.address), (tag + 2, p.size)]
        return [*entries, (30, 8), (0x6FFFFFFB, 1), (0, 0)]  # everything is bound when it is loaded


def _is_table(symbol: Symbol) -> bool:
    return symbol.name == "_GLOBAL_OFFSET_TABLE_"


def _rank(flags: int) -> int:
    return 2 if flags & WRITE else 1 if flags & EXECUTE else 0


def _copied(section: Section, number: int) -> Piece:
    return Piece(
        section.name,
        section.kind if section.kind in (NOBITS, INIT_ARRAY, FINI_ARRAY) else PROGBITS,
        section.flags & (WRITE | ALLOC | EXECUTE),
        section.alignment,
        bytearray(section.data),
        section.size,
        source=number,
    )
