"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 70,000 grey images of clothes in ten classes."""

import hashlib
import math
import struct
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.datamodules.arrays import ArrayDataModule, Source
from src.datamodules.files import ensure, exactly, read

# Bytes and sha256 of the decompressed files: copies differ in how they were compressed.
FILES = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    "t10k-images-idx3-ubyte": (7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    "t10k-labels-idx1-ubyte": (10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
}
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist

# Of the 60,000 training images' pixels divided by 255.
MEAN, STD = 0.2860, 0.3530


class FashionMNIST(ArrayDataModule):
    """Images (1, 28, 28), standardised by fixed constants; the official 10,000 are the test set.

    Args:
        mirrors: addresses of folders with the four .gz files; None is the public ones.
        timeout: seconds without a byte after which a mirror is given up.
        common: the arguments of `ArrayDataModule`.
    """

    name = "fashion_mnist"
    input_shape = (1, 28, 28)
    classes = 10

    def __init__(self, *, mirrors: list[str] | None = None, timeout: float = 30.0, **common: Any) -> None:
        super().__init__(**common)
        self.mirrors = list(MIRRORS if mirrors is None else mirrors)
        self.timeout = timeout

    def load(self) -> Source:
        return _source(tuple(self._find(name) for name in FILES))

    def _find(self, name: str) -> tuple[str, Path, Path, int, int]:
        target = self.data_dir / "fashion_mnist" / f"{name}.gz"
        mirrors = [f"{address.rstrip('/')}/{name}.gz" for address in self.mirrors]
        folders = [self.data_dir, DEBIAN_FOLDER]
        path = ensure(target, partial(_parse, name), folders, mirrors, self.timeout)
        facts = path.stat()
        return name, path.resolve(), target, facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=1)  # many runs share a process in a sweep; a file that changes has another time or size
def _source(files: tuple[tuple[str, Path, Path, int, int], ...]) -> Source:
    train_x, train_y, test_x, test_y = (read(path, partial(_parse, name), target) for name, path, target, *_ in files)
    value_of_byte = ((np.arange(256) / 255 - MEAN) / STD).astype(np.float32)
    x = value_of_byte[np.concatenate([train_x, test_x])[:, None]]
    y = np.concatenate([train_y, test_y]).astype(np.int64)
    return Source(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        test=torch.arange(len(y)) >= len(train_y),
        sha256=hashlib.sha256("".join(sha256 for _, sha256 in FILES.values()).encode()).hexdigest(),
    )


def _parse(name: str, content: bytes) -> np.ndarray:
    return parse_idx(exactly(*FILES[name])(content))


def parse_idx(content: bytes) -> np.ndarray:
    """The bytes of an IDX file in their shape: 00 00, type 08, dimensions, each length big-endian, values."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(
            f"expected an IDX file of bytes, beginning 00 00 08, found {content[:4].hex(' ') or 'nothing'}"
        )
    start = 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:start].ljust(start - 4, b"\0"))
    if len(content) - start != math.prod(shape):
        raise ValueError(f"expected {math.prod(shape):,} values for the shape {shape}, found {len(content) - start:,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
