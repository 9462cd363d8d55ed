"""A network for images of any size, with batch norm, trained and asked as a library."""

import ctypes
from pathlib import Path

import numpy as np

import graphc as gc
from graphc import nn, optim
from graphc.executable import Executable
from graphc.vision import models

SHAPES = ((3, 1, 7, 6), (2, 1, 5, 8))


def functions() -> dict[str, Executable]:
    """A training step and a prediction of a small residual network."""
    x = gc.placeholder("x", ("n", 1, "h", "w"))
    t = gc.placeholder("t", ("n",), gc.int64)
    net = models.resnet(models.BasicBlock, (1,), (3,), 3, channels=1, small=True, seed=0)
    loss = nn.cross_entropy(net(x), t)
    updates = optim.SGD(0.1).updates(loss, net.parameters()) | nn.batch_updates(net)
    step = gc.compile([x, t], loss, updates=updates, name="train_step")
    return {"train_step": step, "predict": gc.compile([x], net.eval()(x), name="predict")}


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def test_a_network_for_images_trains_to_the_same_bits(tmp_path: Path) -> None:
    """The header's functions, on images of two sizes, with the running statistics in the state."""
    made = functions()
    library = ctypes.CDLL(str(gc.export(made, path=tmp_path / "net").library))
    library.net_create.restype = ctypes.c_void_p
    net = ctypes.c_void_p(library.net_create())
    for shape in SHAPES * 2:
        images = np.sin(np.arange(np.prod(shape), dtype=np.float32)).reshape(shape)
        labels = np.arange(shape[0]) % 3
        sizes = [ctypes.c_int64(shape[k]) for k in (0, 2, 3)]
        loss, scores = np.empty((), np.float32), np.empty((shape[0], 3), np.float32)
        arrays = map(pointer, (images, labels, loss))
        assert library.net_train_step(net, *sizes, *arrays, None) == 0
        assert library.net_predict(net, *sizes, pointer(images), pointer(scores), None) == 0
        assert loss.tobytes() == made["train_step"](images, labels).tobytes()
        assert scores.tobytes() == made["predict"](images).tobytes()
    library.net_destroy(net)
