"""Files of named arrays as NumPy's `savez` writes them: archives of a `.npy` file for each."""

from __future__ import annotations

import errno
import lzma
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.whole_file import whole_file

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,  # of a compression or an encryption that zipfile does not know
    RuntimeError,  # of an encrypted file
    ValueError,
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

Demand = Callable[[str, tuple[int, ...], "np.dtype[Any]"], object]


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip archive."""
    with open(path, "rb") as file:
        return zipfile.is_zipfile(file)


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """As which dtype a file has arrays of this one: bfloat16 as float32, which loses nothing."""
    return np.dtype(np.float32) if dtype.name == "bfloat16" else dtype


def write_archive(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Writes the arrays to a file, whole or not at all."""
    stored = {k: a.astype(stored_dtype(a.dtype), copy=False) for k, a in arrays.items()}
    with whole_file(path) as file:
        np.savez(file, **stored)  # type: ignore[arg-type]


def read_archive(
    path: str | os.PathLike[str], known: Callable[[str], bool], demand: Demand
) -> dict[str, np.ndarray[Any, Any] | None]:
    """The arrays in a file, by name; None instead of those whose name is not `known`.

    `demand` is told the shape and dtype of an array before that is read, and raises if they are
    wrong, so that a file takes no more memory than the arrays that are wanted. Raises GraphError
    for a file that is damaged.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return _arrays(archive, known, demand)
    except GraphError:
        raise
    except _DAMAGED as error:
        raise GraphError(f"{os.fspath(path)} is damaged: {error}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise GraphError(f"{os.fspath(path)} is damaged: a place before its beginning") from None


def _arrays(
    archive: zipfile.ZipFile, known: Callable[[str], bool], demand: Demand
) -> dict[str, np.ndarray[Any, Any] | None]:
    found: dict[str, np.ndarray[Any, Any] | None] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"it holds {entry.filename} twice")
        found[name] = None
        if known(name):
            with archive.open(entry) as member:
                found[name] = _array(member, name, demand)
    return found


def _array(file: IO[bytes], name: str, demand: Demand) -> np.ndarray[Any, Any]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"{name} is of version {version}")
    shape, columns_first, dtype = _HEADERS[version](file)
    demand(name, shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    # One byte more: at the end, and only there, the checksum is looked at.
    data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{name} has not the {size} bytes of its shape")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if columns_first else "C")
