"""Reading well-known data sets from the files in which they are given out."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from graphc.ir.errors import ArgumentError

Array = np.ndarray[Any, Any]
PathLike = str | os.PathLike[str]
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: PathLike) -> Array:
    """The array in a file of the IDX format, in which MNIST comes; packed by gzip or not."""
    data = Path(path).read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise ArgumentError(f"{path} is not an IDX file: it begins with {data[:4]!r}")
    kind, axes = np.dtype(_IDX_TYPES[data[2]]), data[3]
    shape = np.frombuffer(data, ">i4", axes, 4)
    body = np.frombuffer(data, kind, offset=4 + 4 * axes)
    if body.size != np.prod(shape):
        raise ArgumentError(f"{path} holds {body.size} numbers, not the {shape} that it names")
    return body.reshape(shape).astype(kind.newbyteorder("="))


def read_mnist(folder: PathLike, part: str = "train") -> tuple[Array, Array]:
    """Images (60,000, 1, 28, 28) from 0 to 1 and labels of MNIST (or Fashion-MNIST); of the part
    "t10k", 10,000.
    """
    found = []
    for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
        plain, packed = Path(folder, name), Path(folder, name + ".gz")
        found.append(read_idx(plain if plain.exists() else packed))
    images, labels = found
    return (images[:, None] / 255).astype(np.float32), labels.astype(np.int64)


def read_cifar(paths: Sequence[PathLike], label_bytes: int = 1) -> tuple[Array, Array]:
    """Images (N, 3, 32, 32) from 0 to 1 and labels (N) of CIFAR-10's binary files; of CIFAR-100's,
    with two label bytes, the coarse and the fine labels (N, 2).
    """
    size = label_bytes + 3 * 32 * 32
    data = np.concatenate([np.fromfile(path, np.uint8) for path in paths])
    if data.size % size:
        raise ArgumentError(f"{data.size} bytes are no whole number of records of {size}")
    rows = data.reshape(-1, size)
    images = (rows[:, label_bytes:].reshape(-1, 3, 32, 32) / 255).astype(np.float32)
    labels = rows[:, :label_bytes].astype(np.int64)
    return images, labels[:, 0] if label_bytes == 1 else labels


def list_images(folder: PathLike) -> tuple[list[Path], Array, list[str]]:
    """The files, their labels and the names of the classes in a folder with one folder for each
    class, as ILSVRC is laid out.
    """
    classes = sorted(entry.name for entry in Path(folder).iterdir() if entry.is_dir())
    files = [sorted(Path(folder, name).iterdir()) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in files])
    return [path for part in files for path in part], labels, classes


def read_table(path: PathLike, labels: Sequence[str]) -> tuple[Array, Array]:
    """The columns `labels` of a CSV file as numbers (N, labels), 0 where there are none, and which
    there are: Tox21 leaves out what was not measured.
    """
    with open(path, newline="") as file:
        cells = [[row[name] for name in labels] for row in csv.DictReader(file)]
    known = np.array([[cell != "" for cell in row] for row in cells])
    return np.array([[float(cell or 0) for cell in row] for row in cells]), known


def read_coco(path: PathLike) -> dict[int, tuple[Array, Array]]:
    """Corner boxes (n, 4) and categories (n) of each image, by its number, from a file of COCO's
    instances.
    """
    content = json.loads(Path(path).read_text())
    found: dict[int, list[Any]] = {image["id"]: [] for image in content["images"]}
    for note in content["annotations"]:
        x, y, w, h = note["bbox"]
        found[note["image_id"]].append((x, y, x + w, y + h, note["category_id"]))
    tables = {k: np.array(rows, float).reshape(-1, 5) for k, rows in found.items()}
    return {k: (t[:, :4], t[:, 4].astype(np.int64)) for k, t in tables.items()}


def read_voc(path: PathLike) -> tuple[Array, list[str]]:
    """Corner boxes (n, 4), from 0 on, and names of the objects in an annotation of Pascal VOC,
    which counts pixels from 1.
    """
    objects = ElementTree.parse(path).getroot().findall("object")  # a trusted file
    names = [str(part.findtext("name")) for part in objects]
    sides = ("xmin", "ymin", "xmax", "ymax")
    boxes = [[float(part.findtext(f"bndbox/{s}") or "nan") for s in sides] for part in objects]
    return np.array(boxes).reshape(-1, 4) - [1, 1, 0, 0], names
