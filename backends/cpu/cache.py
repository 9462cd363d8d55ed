"""The on-disk cache of object code, addressed by a hash of all that determines the bytes.

A file is a magic word, how many bytes it stores, a checksum, and these bytes. The checksum is the
SHA-256 of the key and of those of its pieces, so that several threads read and check a large one. A
file that is not exactly that is a miss and is removed. Files appear whole (written aside, then
renamed), so any number of processes may share a directory. A directory that cannot be used costs
speed, never an error: `status` says why. Nothing is ever unpickled or executed before its checksum
is right.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from graphc.backends.llvm import library
from graphc.backends.llvm.target import Target
from graphc.ir.each import each
from graphc.ir.record import dataclass
from graphc.ops.literal import aligned_empty

MAGIC = b"graphc3\n"
HEAD = len(MAGIC) + 8 + 32
PIECE = 1 << 24
"""Bytes of a piece that has a checksum of its own."""
GENERATING = (
    "architectures", "engine", "fused", "halves", "lacking", "library", "tables", "target", "types",
)  # fmt: skip
"""The modules that have a part in the bytes which a text becomes."""
LIMIT_BYTES = 1 << 30
SUFFIX = ".code"
SWEEPS = 128
"""How often a cache is swept while its limit is written once. A sweep looks at every file, a
thousand times the work of storing one; the limit may be exceeded by about a part in this many."""
ABANDONED_SECONDS = 3600.0
"""Age from which a file that a killed process was writing is removed."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a cache directory holds, or why it is not used."""

    directory: Path
    problem: str | None
    entries: int
    total_bytes: int


def cache_directory() -> Path:
    """GRAPHC_CACHE_DIR, else `graphc` in the user's cache directory."""
    named = os.environ.get("GRAPHC_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "graphc"


def key(text: str, target: Target, *more: str) -> str:
    """The name of the code of `text` for `target`; `more` is what else determines the bytes."""
    digest = hashlib.sha256()
    described = (target.triple, target.cpu, target.features, str(target.vector_bits))
    for part in (*_generator(), *described, *more, text):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


@functools.cache
def _generator() -> tuple[str, ...]:
    """What turns text into bytes: the engine as it is, and llvmlite, of which a file gives the
    release and a library is LLVM. Neither is loaded.
    """
    ours = Path(library.__file__).parent
    code = b"".join((ours / f"{name}.py").read_bytes() for name in GENERATING)
    theirs = library.directory()
    version = (theirs.parent / "_version.py").read_text()
    libraries = sorted(theirs.glob("*llvmlite.*"))
    sizes = " ".join(f"{path.name} {path.stat().st_size}" for path in libraries)
    return (version, sizes, hashlib.sha256(code).hexdigest())


def get(key: str, directory: Path | None = None) -> memoryview | None:
    """The bytes stored under `key`, verified, or None. They begin on a 64-byte boundary."""
    place = directory or cache_directory()
    if _problem(place):
        return None
    path = place / (key + SUFFIX)
    try:
        data = _verified(key, path)
    except OSError:
        return None
    if data is None:
        _remove(path)
        return None
    _touch(path)
    return data


def _verified(key: str, path: Path) -> memoryview | None:
    """What the file stores under `key`, or None if it is not exactly that."""
    # Opened so, a pipe under this name has no end to wait for.
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        head, size = file.read(HEAD), os.fstat(file.fileno()).st_size - HEAD
    if size < 0 or not head.startswith(_beginning(size)):
        return None
    data = aligned_empty(size).data
    # What is not read, because the file has shrunk, does not fit its checksum.
    right = head == _header(key, data, lambda at, piece: _read(path, at, piece))
    return data if right else None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def put(
    key: str,
    data: bytes | memoryview,
    directory: Path | None = None,
    *,
    limit: int = LIMIT_BYTES,
) -> bool:
    """Store `data` under `key`; whether it is stored now. Oldest files go when over `limit`, by
    sweeps at random that come with the bytes written.
    """
    place = directory or cache_directory()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _problem(place):
            return False
        _write(place, key, data)
        if len(data) * SWEEPS > limit * _drawn():
            _trim(place, limit)
    except OSError:
        return False
    return True


def cached_object(text: str, target: Target, *, level: int = 1) -> bytes | memoryview:
    """The object code of `text` for `target`, compiled at most once."""
    name = key(text, target, f"level {level}")
    known = get(name)
    if known is not None:
        return known
    from graphc.backends.llvm.engine import compile_object

    data = compile_object(text, target, level=level)
    put(name, data)
    return data


def status(directory: Path | None = None) -> Status:
    """The state of the cache, for people and tests."""
    place = directory or cache_directory()
    problem = _problem(place)
    files = [] if problem else _files(place)
    return Status(place, problem, len(files), sum(size for _, size, _ in files))


def _drawn() -> float:
    """A random number from 0 to 1."""
    return int.from_bytes(os.urandom(4), "little") / 2**32


def _beginning(size: int) -> bytes:
    return MAGIC + size.to_bytes(8, "little")


def _header(
    key: str, data: bytes | memoryview, fill: Callable[[int, memoryview], object] | None = None
) -> bytes:
    """The head of a file of these data; `fill` is called first with the place in the file of each
    piece and its memory.
    """

    def checksum(begin: int) -> bytes:
        piece = memoryview(data)[begin : begin + PIECE]
        if fill is not None:
            fill(HEAD + begin, piece)
        return hashlib.sha256(piece).digest()

    pieces = each(checksum, range(0, len(data), PIECE))
    return _beginning(len(data)) + hashlib.sha256(b"".join([key.encode(), *pieces])).digest()


def _read(path: Path, at: int, piece: memoryview) -> None:
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        file.readinto(piece)


def _problem(place: Path) -> str | None:
    """Why the directory must not be used, or None. Code from it is run, so it must be ours."""
    try:
        found = place.lstat()
    except OSError as error:
        return f"{place}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{place} is not a directory"
    if found.st_uid != os.geteuid():
        return f"{place} belongs to user {found.st_uid}, not to user {os.geteuid()}"
    if found.st_mode & 0o022:
        return f"{place} can be written by others (mode {stat.S_IMODE(found.st_mode):o})"
    return None


def _write(place: Path, key: str, data: bytes | memoryview) -> None:
    aside = place / f".writing-{os.urandom(8).hex()}"
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_header(key, data))
            file.write(data)
        os.replace(aside, place / (key + SUFFIX))
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _remove(path: Path) -> None:
    """Remove what is damaged; where that is not allowed, it stays a miss."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _touch(path: Path) -> None:
    """Mark as used now; a cache that may only be read still serves."""
    try:
        os.utime(path)
    except OSError:
        return


def _files(place: Path) -> list[tuple[float, int, str]]:
    """Age order: (time of last use, bytes, path) of every stored file."""
    found = []
    with os.scandir(place) as entries:
        for entry in entries:
            try:
                state = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # another process has removed it
            if entry.name.endswith(SUFFIX):
                found.append((state.st_mtime, state.st_size, entry.path))
            elif entry.name.startswith(".writing-") and _abandoned(state.st_mtime):
                Path(entry.path).unlink(missing_ok=True)
    return sorted(found)


def _abandoned(modified: float) -> bool:
    return time.time() - modified > ABANDONED_SECONDS


def _trim(place: Path, limit: int) -> None:
    files = _files(place)
    excess = sum(size for _, size, _ in files) - limit
    for _, size, path in files:
        if excess <= 0:
            return
        Path(path).unlink(missing_ok=True)
        excess -= size
