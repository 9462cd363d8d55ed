"""The state of an artefact as LLVM IR: its variables, how it begins, and its file.

A state is one block of memory in which every variable has its place. `save` writes a file as
`graphc.ir.tensor_file` does. `load` takes only a file with the very header that `save` writes,
reads it whole before it changes anything, and so leaves the state as it was unless it returns 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.ir.node import Tensor
from graphc.ir.tensor_file import file_header, file_order

ALIGNMENT = 64
SMALL = 4096
OUT_OF_MEMORY, BAD_SIZE, FILE_ERROR, WRONG_FILE, WRONG_POINTER = -1, -2, -3, -4, -6


def array_of(x: Tensor) -> np.ndarray:
    """The array of a variable or constant."""
    attrs = x.node.attrs
    array: np.ndarray
    array = attrs["state"].array if x.node.op.name == "variable" else attrs["value"].array
    return array


def state_offsets(variables: Sequence[Tensor]) -> tuple[list[int], int]:
    """Where each variable lies in the state, and the state's size in bytes."""
    offsets: list[int] = []
    total = 0
    for x in variables:
        offsets.append(total)
        total += -(-array_of(x).nbytes // ALIGNMENT) * ALIGNMENT
    return offsets, max(total, ALIGNMENT)


def named_variables(variables: Sequence[Tensor], names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """The variables by names of their own: those given in `names`, else their labels, numbered
    where another one has it too.
    """
    found = {names[x]: x for x in variables if x in names}
    for k, x in enumerate(variables):
        if x not in names:
            name = wanted = x.label or f"variable{k}"
            number = 2
            while name in found:
                name, number = f"{wanted}_{number}", number + 1
            found[name] = x
    order = {x: k for k, x in enumerate(variables)}
    return dict(sorted(found.items(), key=lambda item: order[item[1]]))


def _file_header(variables: Mapping[str, Tensor]) -> bytes:
    return file_header({name: (x.dtype, array_of(x).shape) for name, x in variables.items()})


def literal(raw: bytes) -> str:
    """Bytes as a constant of LLVM's."""
    return f'[{len(raw)} x i8] c"' + "".join(f"\\{byte:02X}" for byte in raw) + '"'


def datum(symbol: str, raw: bytes, apart: dict[str, bytes] | None) -> str:
    """The line that makes bytes known under `symbol`. Big ones only by name, if they are put into
    `apart`: written as text they would take LLVM a second a megabyte.
    """
    if apart is None or len(raw) < SMALL:
        return f"@{symbol} = internal constant {literal(raw)}, align {ALIGNMENT}"
    apart[symbol] = raw
    return f"@{symbol} = external hidden constant [{len(raw)} x i8], align {ALIGNMENT}"


def state_ir(
    name: str, variables: Mapping[str, Tensor], apart: dict[str, bytes] | None, attributes: str
) -> str:
    """`NAME_create`, `NAME_destroy`, `NAME_variable`, `NAME_save` and `NAME_load`; see `datum`.

    `attributes` are those of all these functions. `NAME_create` asks `NAME_check`.
    """
    offsets, size = state_offsets(list(variables.values()))
    header = _file_header(variables)
    place = dict(zip(variables, offsets, strict=True))
    parts = [(place[k], array_of(variables[k]).nbytes) for k in file_order(variables)]
    rows = ", ".join(f"{{ i64, i64 }} {{ i64 {offset}, i64 {count} }}" for offset, count in parts)
    data = [
        datum(f"{name}.initial", _initial(list(variables.values()), offsets, size), apart),
        f"@header = internal constant {literal(header)}, align 8",
        f"@parts = internal constant [{len(parts)} x {{ i64, i64 }}] [{rows}]",
        '@suffix = internal constant [6 x i8] c".part\\00"',
        '@reading = internal constant [3 x i8] c"rb\\00"',
        '@writing = internal constant [3 x i8] c"wb\\00"',
    ]
    cases = "\n".join(f"    i32 {k}, label %at{k}" for k in range(len(offsets)))
    blocks = "\n".join(
        f"at{k}:\n  %p{k} = getelementptr i8, ptr %self, i64 {offset}\n  ret ptr %p{k}"
        for k, offset in enumerate(offsets)
    )
    text = (_STATE + _FILES).replace("CASES", cases).replace("BLOCKS", blocks)
    numbers = {
        "STATE_BYTES": size,
        "HEADER_BYTES": len(header),
        "PARTS": len(parts),
        "ALIGNMENT": ALIGNMENT,
        "OUT_OF_MEMORY": OUT_OF_MEMORY,
        "FILE_ERROR": FILE_ERROR,
        "WRONG_FILE": WRONG_FILE,
        "WRONG_POINTER": WRONG_POINTER,
        "NAME": name,
    }
    for word, value in numbers.items():
        text = text.replace(word, str(value))
    text = text.replace(") nounwind {", f") nounwind {attributes} {{")
    return "\n".join([*data, text])


def _initial(variables: Sequence[Tensor], offsets: Sequence[int], size: int) -> bytes:
    raw = bytearray(size)
    for x, offset in zip(variables, offsets, strict=True):
        data = array_of(x).tobytes()
        raw[offset : offset + len(data)] = data
    return bytes(raw)


_STATE = """
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define ptr @NAME_create() nounwind {
  %wrong = call i32 @NAME_check()
  %unfit = icmp ne i32 %wrong, 0
  br i1 %unfit, label %fail, label %allocate
allocate:
  %self = call ptr @aligned_alloc(i64 ALIGNMENT, i64 STATE_BYTES)
  %none = icmp eq ptr %self, null
  br i1 %none, label %fail, label %fill
fill:
  call void @llvm.memcpy.p0.p0.i64(ptr %self, ptr @NAME.initial, i64 STATE_BYTES, i1 false)
  ret ptr %self
fail:
  ret ptr null
}

define void @NAME_destroy(ptr %self) nounwind {
  call void @free(ptr %self)
  ret void
}

define ptr @NAME_variable(ptr %self, i32 %k) nounwind {
  %nowhere = icmp eq ptr %self, null
  br i1 %nowhere, label %none, label %there
there:
  switch i32 %k, label %none [
CASES
  ]
BLOCKS
none:
  ret ptr null
}
"""

_FILES = """
declare i64 @strlen(ptr)
declare ptr @fopen(ptr, ptr)
declare i64 @fread(ptr, i64, i64, ptr)
declare i64 @fwrite(ptr, i64, i64, ptr)
declare i32 @fgetc(ptr)
declare i32 @fclose(ptr)
declare i32 @memcmp(ptr, ptr, i64)
declare i32 @rename(ptr, ptr)
declare i32 @remove(ptr)

; Written beside the old file, which it replaces once it is whole.
define i32 @NAME_save(ptr %self, ptr %path) nounwind {
entry:
  %no.self = icmp eq ptr %self, null
  %no.path = icmp eq ptr %path, null
  %nowhere = or i1 %no.self, %no.path
  br i1 %nowhere, label %lost, label %begin
lost:
  ret i32 WRONG_POINTER
begin:
  %length = call i64 @strlen(ptr %path)
  %needed = add i64 %length, 69
  %room = and i64 %needed, -ALIGNMENT
  %other = call ptr @aligned_alloc(i64 ALIGNMENT, i64 %room)
  %none = icmp eq ptr %other, null
  br i1 %none, label %memory, label %open
memory:
  ret i32 OUT_OF_MEMORY
open:
  %end = getelementptr i8, ptr %other, i64 %length
  call void @llvm.memcpy.p0.p0.i64(ptr %other, ptr %path, i64 %length, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %end, ptr @suffix, i64 6, i1 false)
  %file = call ptr @fopen(ptr %other, ptr @writing)
  %closed = icmp eq ptr %file, null
  br i1 %closed, label %fail, label %head
head:
  %h = call i64 @fwrite(ptr @header, i64 1, i64 HEADER_BYTES, ptr %file)
  %h.good = icmp eq i64 %h, HEADER_BYTES
  br label %next
next:
  %k = phi i64 [ 0, %head ], [ %k.next, %part ]
  %good = phi i1 [ %h.good, %head ], [ %good.next, %part ]
  %more = icmp ult i64 %k, PARTS
  br i1 %more, label %part, label %finish
part:
  %offset.p = getelementptr { i64, i64 }, ptr @parts, i64 %k, i32 0
  %bytes.p = getelementptr { i64, i64 }, ptr @parts, i64 %k, i32 1
  %offset = load i64, ptr %offset.p
  %bytes = load i64, ptr %bytes.p
  %from = getelementptr i8, ptr %self, i64 %offset
  %w = call i64 @fwrite(ptr %from, i64 1, i64 %bytes, ptr %file)
  %w.good = icmp eq i64 %w, %bytes
  %good.next = and i1 %good, %w.good
  %k.next = add i64 %k, 1
  br label %next
finish:
  %c = call i32 @fclose(ptr %file)
  %c.good = icmp eq i32 %c, 0
  %whole = and i1 %good, %c.good
  br i1 %whole, label %replace, label %discard
replace:
  %r = call i32 @rename(ptr %other, ptr %path)
  %r.good = icmp eq i32 %r, 0
  br i1 %r.good, label %done, label %discard
discard:
  %d = call i32 @remove(ptr %other)
  br label %fail
done:
  call void @free(ptr %other)
  ret i32 0
fail:
  call void @free(ptr %other)
  ret i32 FILE_ERROR
}

define i32 @NAME_load(ptr %self, ptr %path) nounwind {
entry:
  %no.self = icmp eq ptr %self, null
  %no.path = icmp eq ptr %path, null
  %nowhere = or i1 %no.self, %no.path
  br i1 %nowhere, label %lost, label %begin
lost:
  ret i32 WRONG_POINTER
begin:
  %file = call ptr @fopen(ptr %path, ptr @reading)
  %closed = icmp eq ptr %file, null
  br i1 %closed, label %fail, label %allocate
fail:
  ret i32 FILE_ERROR
allocate:
  %needed = add i64 HEADER_BYTES, 63
  %rounded = and i64 %needed, -ALIGNMENT
  %room = add i64 %rounded, STATE_BYTES
  %copy = call ptr @aligned_alloc(i64 ALIGNMENT, i64 %room)
  %none = icmp eq ptr %copy, null
  br i1 %none, label %memory, label %head
memory:
  %m = call i32 @fclose(ptr %file)
  ret i32 OUT_OF_MEMORY
head:
  %text = getelementptr i8, ptr %copy, i64 STATE_BYTES
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %self, i64 STATE_BYTES, i1 false)
  %h = call i64 @fread(ptr %text, i64 1, i64 HEADER_BYTES, ptr %file)
  %h.good = icmp eq i64 %h, HEADER_BYTES
  br i1 %h.good, label %compare, label %wrong
compare:
  %difference = call i32 @memcmp(ptr %text, ptr @header, i64 HEADER_BYTES)
  %same = icmp eq i32 %difference, 0
  br i1 %same, label %next, label %wrong
next:
  %k = phi i64 [ 0, %compare ], [ %k.next, %part ]
  %more = icmp ult i64 %k, PARTS
  br i1 %more, label %part, label %last
part:
  %offset.p = getelementptr { i64, i64 }, ptr @parts, i64 %k, i32 0
  %bytes.p = getelementptr { i64, i64 }, ptr @parts, i64 %k, i32 1
  %offset = load i64, ptr %offset.p
  %bytes = load i64, ptr %bytes.p
  %to = getelementptr i8, ptr %copy, i64 %offset
  %r = call i64 @fread(ptr %to, i64 1, i64 %bytes, ptr %file)
  %r.good = icmp eq i64 %r, %bytes
  %k.next = add i64 %k, 1
  br i1 %r.good, label %next, label %wrong
last:
  %rest = call i32 @fgetc(ptr %file)
  %ended = icmp eq i32 %rest, -1
  br i1 %ended, label %take, label %wrong
take:
  call void @llvm.memcpy.p0.p0.i64(ptr %self, ptr %copy, i64 STATE_BYTES, i1 false)
  br label %close
wrong:
  br label %close
close:
  %result = phi i32 [ 0, %take ], [ WRONG_FILE, %wrong ]
  %c = call i32 @fclose(ptr %file)
  call void @free(ptr %copy)
  ret i32 %result
}
"""
