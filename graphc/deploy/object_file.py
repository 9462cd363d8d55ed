"""Reads relocatable object files: ELF, 64 bits, little-endian (System V ABI, chapter 4)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from graphc.ir.record import dataclass

PROGBITS, SYMTAB, RELA, NOBITS = 1, 2, 4, 8
INIT_ARRAY, FINI_ARRAY = 14, 15
WRITE, ALLOC, EXECUTE = 1, 2, 4
LOCAL, GLOBAL = 0, 1
UNDEFINED, ABSOLUTE = 0, 0xFFF1
X86_64, AARCH64, RISCV = 62, 183, 243
MACHINES = {X86_64: "x86_64", AARCH64: "aarch64", RISCV: "riscv64"}
"""Architectures by the number that ELF has for them."""
DATA_ALIGNMENT = 64


class ObjectError(ValueError):
    """An object file that is not what is expected here."""


@dataclass(frozen=True)
class Section:
    """A section; `data` is empty where the file holds only its size."""

    name: str
    kind: int
    flags: int
    size: int
    alignment: int
    data: bytes


@dataclass(frozen=True)
class Symbol:
    """A name for a place in a section, by the section's number."""

    name: str
    binding: int
    kind: int
    hidden: bool
    section: int
    value: int
    size: int


@dataclass(frozen=True)
class Relocation:
    """A place in a section to be filled with what depends on a symbol's address."""

    section: int
    offset: int
    kind: int
    symbol: int
    addend: int


@dataclass(frozen=True)
class ObjectFile:
    """What a linker needs to know of an object file."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]


def is_object(data: bytes, *machines: int) -> bool:
    """Whether these bytes are an object file for one of these machines, of which there is x86-64
    if none is named.
    """
    kinds = [struct.pack("<HH", 1, machine) for machine in machines or (X86_64,)]
    return data[:6] == b"\x7fELF\x02\x01" and data[16:20] in kinds


def architecture_of(start: bytes) -> str | None:
    """For which architecture an object or a library is that begins so, as far as is known."""
    is_elf = start[:6] == b"\x7fELF\x02\x01" and len(start) >= 20
    return MACHINES.get(int.from_bytes(start[18:20], "little")) if is_elf else None


def read_object(data: bytes) -> ObjectFile:
    """The contents of an object file; raises ObjectError if it is of another kind."""
    if not is_object(data, X86_64, AARCH64, RISCV):
        raise ObjectError("this is no relocatable ELF object of 64 bits")
    (start,) = struct.unpack_from("<Q", data, 40)
    _, count, names_at = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * k) for k in range(count)]

    def content(header: tuple[int, ...]) -> bytes:
        return b"" if header[1] == NOBITS else data[header[4] : header[4] + header[5]]

    names = content(headers[names_at])
    sections = tuple(
        Section(_text(names, h[0]), h[1], h[2], h[5], max(h[8], 1), content(h)) for h in headers
    )
    symbols: tuple[Symbol, ...] = ()
    relocations: list[Relocation] = []
    for h in headers:
        if h[1] == SYMTAB:
            strings = content(headers[h[6]])
            symbols = tuple(
                _symbol(strings, *row) for row in struct.iter_unpack("<IBBHQQ", content(h))
            )
        if h[1] == RELA:
            relocations += [
                Relocation(h[7], offset, info & 0xFFFFFFFF, info >> 32, addend)
                for offset, info, addend in struct.iter_unpack("<QQq", content(h))
            ]
    return ObjectFile(sections, symbols, tuple(relocations))


def _symbol(
    strings: bytes, name: int, info: int, other: int, section: int, value: int, size: int
) -> Symbol:
    hidden = other & 3 != 0
    return Symbol(_text(strings, name), info >> 4, info & 15, hidden, section, value, size)


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def with_data(data: bytes, blobs: Mapping[str, bytes]) -> bytes:
    """The object file with the symbols that `blobs` names, which it leaves undefined, defined as
    these bytes, in a section of their own.
    """
    if not blobs:
        return data
    out = bytearray(data) + bytes(-len(data) % DATA_ALIGNMENT)
    start, places = len(out), {}
    for name, blob in blobs.items():
        places[name] = len(out) - start
        out += blob + bytes(-len(blob) % DATA_ALIGNMENT)
    size = len(out) - start
    (headers_at,) = struct.unpack_from("<Q", data, 40)
    _, count, _ = struct.unpack_from("<HHH", data, 58)
    rows = data[headers_at : headers_at + 64 * count]
    headers = [list(h) for h in struct.iter_unpack("<IIQQQQIIQQ", rows)]
    name = next(h[0] for h in headers if h[1] == PROGBITS and h[2] == ALLOC)
    headers.append([name, PROGBITS, ALLOC, 0, start, size, 0, 0, DATA_ALIGNMENT, 0])
    struct.pack_into("<Q", out, 40, len(out))
    struct.pack_into("<H", out, 60, count + 1)
    for h in headers:
        out += struct.pack("<IIQQQQIIQQ", *h)
    table = next(h for h in headers if h[1] == SYMTAB)
    for k, symbol in enumerate(read_object(data).symbols):
        if symbol.name in places and symbol.section == UNDEFINED:
            place, length = places.pop(symbol.name), len(blobs[symbol.name])
            struct.pack_into("<HQQ", out, table[4] + 24 * k + 6, count, place, length)
    if places:
        raise ObjectError(f"the object does not ask for {', '.join(places)}")
    return bytes(out)
