"""Relocatable ELF objects for x86-64, linked into this process by Python alone.

It knows what LLVM writes for position-independent code without thread-local data, and says
`NotLinkable` of anything else. Three parts of memory, each on pages of its own and with no more
rights than it needs: code and its jumps to far functions, constants and the table of addresses,
data. Records and numbers are those of the System V ABI and its supplement for x86-64.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterator

from graphc.ir.record import dataclass

HEADER = b"\x7fELF\x02\x01\x01"
RELOCATABLE, X86_64 = 1, 62
PROGBITS, SYMTAB, RELA, NOBITS, UNWIND = 1, 2, 4, 8, 0x70000001
WRITE, ALLOC, EXECUTE, KNOWN_FLAGS = 1, 2, 4, 0x77
NO_SECTION, RESERVED = 0, 0xFF00
LOCAL, PLAIN_SYMBOLS, FILE = 0, (0, 1, 2, 3), 4
ABSOLUTE_64, RELATIVE_64 = 1, 24
RELATIVE, CALL = 2, 4
THROUGH_TABLE = (9, 41, 42)
JUMP = b"\xff\x25"
"""Of `jmp [rip + 32 bits]`, which takes six bytes."""
WORD = 8

_libc = ctypes.CDLL(None)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class NotLinkable(Exception):
    """An object that this linker does not know how to link."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Code in memory: the mapping, which must live as long as it, and its exported names."""

    memory: mmap.mmap
    exported: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Section:
    """A line of the table of sections."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


@dataclass(frozen=True, eq=False)
class _Symbol:
    """A line of the table of symbols."""

    name: int
    info: int
    visibility: int
    section: int
    value: int
    size: int


def link(data: memoryview, outside: Callable[[str], int]) -> Linked:
    """The object in memory, ready to run; `outside` gives the addresses of undefined names."""
    return _Linker(data, outside).linked()


class _Linker:
    def __init__(self, data: memoryview, outside: Callable[[str], int]):
        self.data, self.outside = data, outside
        self.sections = self._sections()
        self.symbols, self.names = self._symbols()
        relocations = [(s, r) for s in self.sections if s.kind == RELA for r in self._records(s)]
        self.relocations = [(s.info, *r) for s, r in relocations if self._is_kept(s.info)]
        self.slots = self._in_table()
        self._lay_out()

    def _sections(self) -> list[_Section]:
        if len(self.data) < 64:
            raise NotLinkable("no ELF file")
        head = struct.unpack_from("<16s2HI3QI6H", self.data)
        if not head[0].startswith(HEADER) or head[1:3] != (RELOCATABLE, X86_64):
            raise NotLinkable("no relocatable object for x86-64")
        first, count = head[6], head[12]
        table = self.data[first : first + 64 * count]
        return [_Section(*fields) for fields in struct.iter_unpack("<2I4Q2I2Q", table)]

    def _symbols(self) -> tuple[list[_Symbol], list[str]]:
        """Symbols and their names; every name that is not a file's stands for a place."""
        (table,) = (s for s in self.sections if s.kind == SYMTAB)
        strings = bytes(self._content(self.sections[table.link]))
        symbols = [_Symbol(*f) for f in struct.iter_unpack("<I2BH2Q", self._content(table))]
        for symbol in symbols:
            if symbol.info & 15 == FILE:
                continue
            if symbol.info & 15 not in PLAIN_SYMBOLS or symbol.section >= RESERVED:
                raise NotLinkable(f"a symbol of type {symbol.info & 15}")
        return symbols, [strings[s.name : strings.index(b"\0", s.name)].decode() for s in symbols]

    def _content(self, section: _Section) -> memoryview:
        return self.data[section.offset : section.offset + section.size]

    def _records(self, section: _Section) -> Iterator[tuple[int, int, int, int]]:
        """(offset, kind, symbol, addend) of each relocation."""
        for offset, info, addend in struct.iter_unpack("<2Qq", self._content(section)):
            yield offset, info & 0xFFFFFFFF, info >> 32, addend

    def _is_kept(self, number: int) -> bool:
        """Whether a section is part of the program; how frames unwind is not."""
        section = self.sections[number]
        if not section.flags & ALLOC or section.kind == UNWIND:
            return False
        if section.kind not in (PROGBITS, NOBITS) or section.flags & ~KNOWN_FLAGS:
            raise NotLinkable(f"a section of type {section.kind}, flags {section.flags:#x}")
        return True

    def _in_table(self) -> dict[int, int]:
        """Places in the table of addresses of the symbols that need one."""
        needed = {
            symbol: None
            for _, _, kind, symbol, _ in self.relocations
            if kind in THROUGH_TABLE or self.symbols[symbol].section == NO_SECTION
        }
        return {symbol: WORD * place for place, symbol in enumerate(needed)}

    def _lay_out(self) -> None:
        """Gives every section that is kept its place in memory."""
        kept = [k for k in range(len(self.sections)) if self._is_kept(k)]
        flags = {k: self.sections[k].flags for k in kept}
        self.places: dict[int, int] = {}
        self.jumps = self._place([k for k in kept if flags[k] & EXECUTE], 0)
        self.constants = _filled(self.jumps + WORD * len(self.slots), mmap.PAGESIZE)
        rest = [k for k in kept if not flags[k] & EXECUTE]
        end = self._place([k for k in rest if not flags[k] & WRITE], self.constants)
        self.table = _filled(end, WORD)
        self.writable = _filled(self.table + WORD * len(self.slots), mmap.PAGESIZE)
        end = self._place([k for k in rest if flags[k] & WRITE], self.writable)
        self.size = max(_filled(end, mmap.PAGESIZE), mmap.PAGESIZE)

    def _place(self, sections: list[int], at: int) -> int:
        for number in sections:
            at = _filled(at, max(1, self.sections[number].alignment))
            self.places[number] = at
            at += self.sections[number].size
        return _filled(at, WORD)

    def linked(self) -> Linked:
        """The program in memory."""
        self.memory = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for number, at in self.places.items():
            section = self.sections[number]
            if section.kind == PROGBITS:
                self.memory[at : at + section.size] = self._content(section)
        self.addresses = [self._address(number) for number in range(len(self.symbols))]
        self._fill_table()
        for section_number, offset, kind, symbol, addend in self.relocations:
            self._relocate(self.places[section_number] + offset, kind, symbol, addend)
        self._protect(0, self.constants, mmap.PROT_READ | mmap.PROT_EXEC)
        self._protect(self.constants, self.writable, mmap.PROT_READ)
        return Linked(self.memory, self._exported())

    def _address(self, number: int) -> int:
        symbol = self.symbols[number]
        if symbol.section == NO_SECTION:
            return self.outside(self.names[number]) if number in self.slots else 0
        return self.base + self.places.get(symbol.section, 0) + symbol.value

    def _fill_table(self) -> None:
        """Writes the addresses, and for each a jump to it."""
        for symbol, place in self.slots.items():
            slot, jump = self.table + place, self.jumps + place
            struct.pack_into("<Q", self.memory, slot, self.addresses[symbol])
            struct.pack_into("<2si", self.memory, jump, JUMP, slot - (jump + 6))

    def _relocate(self, at: int, kind: int, symbol: int, addend: int) -> None:
        here, target = self.base + at, self.addresses[symbol] + addend
        if kind == ABSOLUTE_64:
            struct.pack_into("<Q", self.memory, at, target)
        elif kind == RELATIVE_64:
            struct.pack_into("<q", self.memory, at, target - here)
        elif kind in THROUGH_TABLE:
            self._write_near(at, self.base + self.table + self.slots[symbol] + addend - here)
        elif kind == CALL and symbol in self.slots and not _is_near(target - here):
            self._write_near(at, self.base + self.jumps + self.slots[symbol] + addend - here)
        elif kind in (RELATIVE, CALL):
            self._write_near(at, target - here)
        else:
            raise NotLinkable(f"a relocation of type {kind}")

    def _write_near(self, at: int, distance: int) -> None:
        if not _is_near(distance):
            raise NotLinkable(f"something that is {distance} bytes away")
        struct.pack_into("<i", self.memory, at, distance)

    def _protect(self, begin: int, end: int, rights: int) -> None:
        if _libc.mprotect(self.base + begin, end - begin, rights):
            raise NotLinkable(f"memory whose rights cannot become {rights}")

    def _exported(self) -> dict[str, int]:
        return {
            name: address
            for name, symbol, address in zip(self.names, self.symbols, self.addresses, strict=True)
            if symbol.info >> 4 != LOCAL and symbol.section != NO_SECTION
        }


def _filled(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _is_near(distance: int) -> bool:
    return -(2**31) <= distance < 2**31
