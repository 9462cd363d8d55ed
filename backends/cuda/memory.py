"""Flat arrays in a GPU's memory, with as much of NumPy's arrays as `run` functions use."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from graphc.backends.cuda.driver import Device

Array = np.ndarray[Any, np.dtype[Any]]


class _Block:
    """Memory of the device, given back when the last array in it is gone."""

    def __init__(self, device: Device, size: int):
        self.device, self.address = device, device.allocate(size)
        weakref.finalize(self, device.free, self.address).atexit = False


class DeviceArray:
    """`size` elements from `address` on."""

    def __init__(self, block: _Block, address: int, size: int, dtype: Any):
        self._block, self.address = block, address
        self.size, self.dtype = size, np.dtype(dtype)

    @property
    def device(self) -> Device:
        return self._block.device

    @property
    def nbytes(self) -> int:
        return int(self.size * self.dtype.itemsize)

    def view(self, dtype: Any) -> DeviceArray:
        """The same bytes as elements of another type."""
        size = self.nbytes // np.dtype(dtype).itemsize
        return DeviceArray(self._block, self.address, size, dtype)

    def __getitem__(self, key: int | slice) -> Any:
        """Some of the elements, or the value of one."""
        if isinstance(key, slice):
            first, last, step = key.indices(self.size)
            assert step == 1, "elements in a row"
            address = self.address + first * self.dtype.itemsize
            return DeviceArray(self._block, address, max(last - first, 0), self.dtype)
        return self[key : key + 1].to_host()[0]

    def __setitem__(self, key: slice, source: DeviceArray) -> None:
        """Copies elements."""
        target = self[key]
        assert target.nbytes == source.nbytes, f"{source.nbytes} bytes into {target.nbytes}"
        if target.nbytes:
            self.device.copy(target.address, source.address, target.nbytes)

    def to_host(self) -> Array:
        """The elements as a NumPy array."""
        found = np.empty(self.size, self.dtype)
        if self.nbytes:
            self.device.download(found.ctypes.data, self.address, self.nbytes)
        return found


class Arrays:
    """Arrays in the memory of a device; its methods leave it the calling thread's."""

    def __init__(self, device: Device):
        self.device = device

    def empty(self, size: int, dtype: Any) -> DeviceArray:
        """A new array, its elements undefined."""
        self.device.enter()
        block = _Block(self.device, size * np.dtype(dtype).itemsize)
        return DeviceArray(block, block.address, size, dtype)

    def upload(self, array: Array) -> DeviceArray:
        """A new array with the elements of a contiguous NumPy array."""
        found = self.empty(array.size, array.dtype)
        if array.nbytes:
            self.device.upload(found.address, array.ctypes.data, array.nbytes)
        return found

    def download(self, array: DeviceArray) -> Array:
        """The elements as a NumPy array."""
        return array.to_host()
