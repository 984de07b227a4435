"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 70,000 grey images of clothes in ten classes."""

import hashlib
import math
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from litmus.files import broken_links, exactly, fetch, present, read
from litmus.training.array_data_module import ArrayDataModule, Source
from litmus.training.unfit import UnfitError

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
# Below data_dir: where fetched files go, data_dir itself, where torchvision, the authors and Keras leave them.
FOLDERS = (
    "fashion_mnist",
    ".",
    *("FashionMNIST/raw", "raw", "fashion", "data/fashion"),
    *("fashion-mnist", "datasets/fashion-mnist", "fashion-mnist/data/fashion"),
)
# How far below data_dir files are looked for when they are in none of these.
DEEPEST, MOST_FOLDERS = 4, 2000
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
        places = [self.data_dir / folder for folder in FOLDERS] + [DEBIAN_FOLDER]
        found = {name: present(places, spellings(name)) for name in FILES}
        for name in [name for name, paths in found.items() if not paths]:
            target, mirrors = self._target(name), [f"{address.rstrip('/')}/{name}.gz" for address in self.mirrors]
            failures = fetch(target, partial(_parse, name), mirrors, self.timeout)
            if not target.exists():
                raise FileNotFoundError(_not_found(self.data_dir, found, failures))
            found[name] = [target]
        return _source(tuple((name, self._target(name), tuple(map(_as_it_is, found[name]))) for name in FILES))

    def raw(self, x: torch.Tensor) -> torch.Tensor:
        """Bytes 0 to 255."""
        return ((x.double() * STD + MEAN) * 255).round().float()

    def _target(self, name: str) -> Path:
        return self.data_dir / FOLDERS[0] / f"{name}.gz"


def spellings(name: str) -> tuple[str, str]:
    """The name as published, and as archives and unpackers rewrite it."""
    return name, name.replace("-idx", ".idx")


def _as_it_is(path: Path) -> tuple[Path, int, int]:
    facts = path.stat()
    return path.absolute(), facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=1)  # many runs share a process in a sweep; a file that changes has another time or size
def _source(files: tuple[tuple[str, Path, tuple[tuple[Path, int, int], ...]], ...]) -> Source:
    train_x, train_y, test_x, test_y = (
        read([path for path, *_ in paths], partial(_parse, name), f"put a good copy at {target}")
        for name, target, paths in files
    )
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
    try:
        return parse_idx(exactly(*FILES[name])(content))
    except UnfitError as problem:
        found = hashlib.sha256(content).hexdigest()
        other = next((other for other, (_, sha256) in FILES.items() if sha256 == found), None)
        if other is not None:
            raise UnfitError(f"expected {name}, found the content of {other}") from None
        raise problem if problem.remedy else UnfitError(f"{problem}{_kind(content)}") from None


def _kind(content: bytes) -> str:
    """What an IDX file that is not the right one holds: MNIST's files have the same names."""
    try:
        return f", an IDX file of shape {parse_idx(content).shape}"
    except ValueError:
        return ""


def _not_found(data_dir: Path, found: Mapping[str, Sequence[Path]], failures: str) -> str:
    """Which files are where and which are not, and what to type or to get."""
    below = list(islice(_folders_below(data_dir), MOST_FOLDERS))
    missing = [name for name, paths in found.items() if not paths]
    seen = {name: [*found[name], *present(below, spellings(name))] for name in FILES}
    there = [str(paths[0]) for paths in seen.values() if paths]
    kept = ", ".join(folder for folder in FOLDERS if folder != ".")
    sentence = f"expected {', '.join(missing)} (.gz or not) in {data_dir}, its folders {kept} or {DEBIAN_FOLDER}, "
    sentence += f"found {', '.join(there) or 'none of the four files'}"
    sentence += f"{broken_links(below, [end for name in missing for end in spellings(name)])}{failures}; "
    whole = next((folder for folder in below if all(present([folder], spellings(name)) for name in FILES)), None)
    tables = [path for folder in below for path in sorted(folder.glob("*fashion*mnist*.csv"))]
    if whole is not None:
        return f"{sentence}type data_dir={whole}"
    if tables and not there:
        sentence += f"{tables[0]} is Kaggle's table of these images in another order: get the files beside it instead, "
        return f"{sentence}whose names end in ubyte, and put them into {data_dir / FOLDERS[0]}"
    return f"{sentence}put what is missing into {data_dir / FOLDERS[0]}"


def _folders_below(data_dir: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(data_dir):
        if len(Path(place).relative_to(data_dir).parts) >= DEEPEST:
            folders.clear()
        folders.sort()
        yield Path(place)


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
