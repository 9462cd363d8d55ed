"""Object code into this process by LLVM's own linker, for what `loading` leaves to it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence

import llvmlite.binding as llvm

from graphc.backends.llvm.loading import LinkError, keep_for_ever


class Library:
    """Loaded object code; its functions and data live as long as this object does."""

    def __init__(self, name: str, tracker: llvm.orcjit.ResourceTracker) -> None:
        self._name = name
        self._trackers = {"": tracker}

    def address(self, name: str) -> int:
        """Where the exported function or datum `name` lies; LinkError if it cannot be had."""
        if name not in self._trackers:
            try:
                self._trackers[name] = _jit().lookup(self._name, name)
            except RuntimeError as error:
                raise LinkError(f"cannot link {name!r}: {error}") from error
        return int(self._trackers[name][name])


_serial = itertools.count()


def load_object(data: bytes, symbols: Mapping[str, int], *, keep: bool = False) -> Library:
    """Link `data` into this process; see `load_objects`."""
    return load_objects([data], symbols, keep=keep)


def load_objects(
    parts: Sequence[bytes], symbols: Mapping[str, int], *, keep: bool = False
) -> Library:
    """Link objects into this process.

    Undefined names are looked up in `symbols` (name -> address), then in the process (libc, libm,
    pthread). With `keep` the code stays until the process ends, whatever becomes of the result.
    """
    builder = llvm.JITLibraryBuilder().add_current_process()
    for part in parts:
        builder.add_object_img(part)
    for name, address in symbols.items():
        builder.import_symbol(name, address)
    name = f"graphc.{next(_serial)}"
    library = Library(name, builder.link(_jit(), name))
    if keep:
        keep_for_ever(library)
    return library


@functools.cache
def _jit() -> llvm.LLJIT:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    jit = llvm.create_lljit_compiler(
        llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
            cpu=llvm.get_host_cpu_name(), reloc="pic", codemodel="default"
        ),
        use_jit_link=True,
        suppress_errors=True,
    )
    keep_for_ever(jit)
    return jit
