"""C programs around artefacts: built with the machine's compiler, run, and read back."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CC, CXX = shutil.which("cc"), shutil.which("c++")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")
STRICT = ("-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")

GUARDED = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
/* Memory that ends where a forbidden page begins. */
static inline void *guarded(size_t bytes) {
    size_t page = 4096, pages = (bytes + page - 1) / page + 1;
    int access = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = (char *)mmap(0, pages * page, access, flags, -1, 0);
    if (p == MAP_FAILED) abort();
    mprotect(p + (pages - 1) * page, page, PROT_NONE);
    memset(p, 0xab, (pages - 1) * page);
    return p + (pages - 1) * page - bytes;
}
static inline void *from_file(FILE *file, size_t bytes) {
    void *p = guarded(bytes);
    if (fread(p, 1, bytes, file) != bytes) abort();
    return p;
}
static inline void must(int code) {
    if (code) { fprintf(stderr, "code %d\n", code); exit(3); }
}
"""


def build(folder: Path, source: str, *flags: str, compiler: str | None = CC) -> Path:
    """A program of this C source in `folder`; warnings are errors."""
    assert compiler is not None
    language = "c" if compiler == CC else "c++"
    file, program = folder / f"program.{'c' if language == 'c' else 'cpp'}", folder / "program"
    file.write_text(GUARDED + source)
    strict = STRICT if language == "c" else STRICT[1:]
    command = [compiler, *strict, "-I", str(folder), str(file), "-o", str(program), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, *arguments: object) -> str:
    """What the program prints; it must return 0."""
    done = subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "LD_LIBRARY_PATH": str(program.parent)},
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
