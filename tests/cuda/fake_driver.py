"""A driver without a GPU: memory is the host's, and kernels are Python functions."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

Kernel = Callable[["Launch"], None]


class Launch:
    """What a kernel was started with."""

    def __init__(self, name: str, blocks: int, threads: int, words: list[int]):
        self.name, self.blocks, self.threads, self.words = name, blocks, threads, words

    def array(self, argument: int, size: int, dtype: Any) -> np.ndarray:
        """The memory that an argument points to."""
        size_in_bytes = size * np.dtype(dtype).itemsize
        bytes_ = (ctypes.c_ubyte * size_in_bytes).from_address(self.words[argument])
        return np.frombuffer(bytes_, dtype)


class FakeLibrary:
    """The functions of libcuda that graphc calls."""

    def __init__(self, kernel: Kernel, words: int):
        self.kernel, self.words = kernel, words
        self.launches: list[Launch] = []
        self.live: dict[int, Any] = {}
        self.names: list[str] = []
        self.fail_with = 0

    def cuInit(self, flags: int) -> int:
        return self.fail_with

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = 1
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: Any) -> int:
        value._obj.value = {75: 9, 76: 0}[which]
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:
        return 0

    def cuCtxSetCurrent(self, context: Any) -> int:
        return 0

    def cuModuleLoadData(self, module: Any, text: Any) -> int:
        assert b".target sm_90" in text.value
        return 0

    def cuModuleGetFunction(self, function: Any, module: Any, name: bytes) -> int:
        self.names.append(name.decode())
        function._obj.value = len(self.names)
        return 0

    def cuMemAlloc_v2(self, address: Any, size: Any) -> int:
        memory = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(memory)
        self.live[address._obj.value] = memory
        return 0

    def cuMemFree_v2(self, address: Any) -> int:
        del self.live[address.value]
        return 0

    def cuMemcpyHtoD_v2(self, target: Any, source: Any, size: Any) -> int:
        ctypes.memmove(target.value, source.value, size.value)
        return 0

    cuMemcpyDtoH_v2 = cuMemcpyDtoD_v2 = cuMemcpyHtoD_v2

    def cuGetErrorString(self, code: Any, text: Any) -> int:
        text._obj.value = b"no CUDA-capable device is detected"
        return 0

    def cuLaunchKernel(self, function: Any, *args: Any) -> int:
        grid, table = [a.value for a in args[:6]], args[8]
        words = [ctypes.c_uint64.from_address(table[k]).value for k in range(self.words)]
        launch = Launch(self.names[function.value - 1], grid[0], grid[3], words)
        self.launches.append(launch)
        self.kernel(launch)
        return 0
