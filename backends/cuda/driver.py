"""NVIDIA's driver through ctypes: a device, its memory, modules and launches."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from graphc.ir.errors import UnsupportedError

LIBRARY = "libcuda.so.1"

_NAMES = {
    "init": "cuInit",
    "count": "cuDeviceGetCount",
    "device": "cuDeviceGet",
    "attribute": "cuDeviceGetAttribute",
    "retain": "cuDevicePrimaryCtxRetain",
    "current": "cuCtxSetCurrent",
    "synchronise": "cuCtxSynchronize",
    "load": "cuModuleLoadData",
    "function": "cuModuleGetFunction",
    "allocate": "cuMemAlloc_v2",
    "free": "cuMemFree_v2",
    "upload": "cuMemcpyHtoD_v2",
    "download": "cuMemcpyDtoH_v2",
    "copy": "cuMemcpyDtoD_v2",
    "fill": "cuMemsetD8_v2",
    "launch": "cuLaunchKernel",
    "describe": "cuGetErrorString",
}
_MAJOR, _MINOR = 75, 76  # attributes of a device: its compute capability


class DriverError(RuntimeError):
    """The driver refused a call."""


class Driver:
    """The driver's functions by short names; a call that fails raises DriverError."""

    def __init__(self, library: Any):
        self._library = library

    def __call__(self, what: str, *args: Any) -> None:
        """Calls a function of `_NAMES`."""
        code = getattr(self._library, _NAMES[what])(*args)
        if code:
            raise DriverError(f"{_NAMES[what]} failed: {self._message(code)} (error {code})")

    def _message(self, code: int) -> str:
        text = c_char_p()
        getattr(self._library, _NAMES["describe"])(c_int(code), ctypes.byref(text))
        return (text.value or b"unknown").decode()


class Device:
    """One GPU. Every method works in its primary context, on whatever thread it is called."""

    def __init__(self, driver: Driver, number: int = 0):
        self.driver = driver
        handle, context = c_int(), c_void_p()
        driver("device", ctypes.byref(handle), number)
        self.capability = (self._attribute(_MAJOR, handle), self._attribute(_MINOR, handle))
        driver("retain", ctypes.byref(context), handle)
        self._context = context

    def _attribute(self, which: int, handle: c_int) -> int:
        value = c_int()
        self.driver("attribute", ctypes.byref(value), which, handle)
        return value.value

    def enter(self) -> None:
        """Makes the device the calling thread's."""
        self.driver("current", self._context)

    def allocate(self, size: int) -> int:
        """The address of new memory; the caller frees it."""
        address = c_uint64()
        self.driver("allocate", ctypes.byref(address), c_size_t(max(size, 1)))
        return address.value

    def free(self, address: int) -> None:
        """Gives memory back once the kernels that use it are done."""
        self.enter()
        self.driver("free", c_uint64(address))

    def upload(self, address: int, host: int, size: int) -> None:
        """Copies bytes to the device."""
        self.driver("upload", c_uint64(address), c_void_p(host), c_size_t(size))

    def download(self, host: int, address: int, size: int) -> None:
        """Copies bytes from the device, after all kernels before."""
        self.driver("download", c_void_p(host), c_uint64(address), c_size_t(size))

    def copy(self, target: int, source: int, size: int) -> None:
        """Copies bytes on the device."""
        self.driver("copy", c_uint64(target), c_uint64(source), c_size_t(size))

    def clear(self, address: int, size: int) -> None:
        """Sets bytes to zero."""
        self.driver("fill", c_uint64(address), ctypes.c_ubyte(0), c_size_t(size))

    def load(self, ptx: str) -> Module:
        """Code for this device."""
        handle = c_void_p()
        self.driver("load", ctypes.byref(handle), c_char_p(ptx.encode()))
        return Module(self, handle)

    def launch(
        self, function: c_void_p, blocks: int, threads: int, arguments: Sequence[int]
    ) -> None:
        """Starts a kernel whose arguments are addresses and 64-bit integers."""
        values = [c_uint64(a & 0xFFFFFFFFFFFFFFFF) for a in arguments]
        table = (c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        grid = [c_uint(n) for n in (blocks, 1, 1, threads, 1, 1)]
        self.driver("launch", function, *grid, c_uint(0), c_void_p(), table, c_void_p())


class Module:
    """Loaded code."""

    def __init__(self, device: Device, handle: c_void_p):
        self.device, self._handle = device, handle
        self._functions: dict[str, c_void_p] = {}

    def function(self, name: str) -> c_void_p:
        """The kernel with that name."""
        if name not in self._functions:
            found = c_void_p()
            self.device.driver("function", ctypes.byref(found), self._handle, name.encode())
            self._functions[name] = found
        return self._functions[name]


@functools.cache
def first_device() -> Device:
    """The first GPU; UnsupportedError says what is missing where there is none."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise UnsupportedError(_missing(f"NVIDIA's driver ({LIBRARY}) is not installed")) from None
    driver, count = Driver(library), c_int()
    try:
        driver("init", 0)
        driver("count", ctypes.byref(count))
    except DriverError as error:
        raise UnsupportedError(_missing(str(error))) from None
    if not count.value:
        raise UnsupportedError(_missing("the driver shows no GPU"))
    return Device(driver)


def _missing(what: str) -> str:
    hint = "graphc.backends.cuda.ptx.ptx_of gives a program's PTX without a GPU"
    return f"the target 'cuda' needs an NVIDIA GPU: {what}\n  hint: {hint}"
