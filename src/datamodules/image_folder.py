"""A folder of images of your own, with a folder for each class."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from litmus.contract import Target
from litmus.training.array_data_module import Source
from litmus.training.file_data_module import VALIDATION, FileDataModule

ENDINGS = (".png", ".jpg", ".jpeg")
IGNORED = ("Thumbs.db", "desktop.ini")
# Modes of eight bits per value; others would be clipped to them in silence.
GREY, COLOURED = ("1", "L"), ("P", "PA", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class ImageFolder(FileDataModule):
    """PNG and JPEG images (channels, height, width) from `path/CLASS/`; each channel is standardised.

    With folders `path/train/CLASS/` and `path/test/CLASS/` the latter are the official test set.

    Args:
        size: height and width that every image is resized to (bilinear); null takes images of one size only.
        channels: 1 is grey, 3 is colour; null is grey if all images are.
        common: the arguments of `FileDataModule`.
    """

    def __init__(self, *, size: Sequence[int] | None = None, channels: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        if size is not None and (len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size)):
            raise ValueError(f"data.size must be height and width, as [32,32], or null, got {size}")
        if channels not in (None, 1, 3):
            raise ValueError(f"data.channels must be 1, 3 or null, got {channels}")
        if self.kind not in ("auto", "classes"):
            raise ValueError(f"data.kind: folders are classes, got {self.kind}")
        self.size = None if size is None else (size[0], size[1])
        self.channels = channels

    def load(self) -> Source:
        root = self.found()
        parts = [root / "train", root / "test"] if (root / "train").is_dir() and (root / "test").is_dir() else [root]
        other = sorted(part.name for part in root.iterdir() if part.name.lower() in VALIDATION) if parts[1:] else []
        if other:
            raise ValueError(
                f"{root}: expected train/ and test/, found {other[0]}/ beside them, which would be left out; put its "
                "images into train/, of which data.val_fraction validates, or move it elsewhere"
            )
        images = [_images(part) for part in parts]
        classes = sorted({path.parent.name for paths in images for path in paths})
        paths = [path for part in images for path in part]
        facts = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
        pixels, contents = _read(facts, self.size, self.channels)
        names = "".join(f"{path.relative_to(root).as_posix()}\n" for path in paths)
        return Source(
            x=pixels,
            y=torch.tensor([classes.index(path.parent.name) for path in paths]),
            test=torch.arange(len(paths)) >= len(images[0]) if len(parts) == 2 else None,
            sha256=hashlib.sha256((names + contents).encode()).hexdigest(),
            target=Target("classes", len(classes), tuple(classes)) if len(classes) > 1 else None,
        )


def _images(root: Path) -> list[Path]:
    """The images in the folders of a folder, in the order of their names.

    Raises:
        ValueError: for a folder without images, and for files that are none.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: expected a folder with a folder of images for each class, found a file")
    found: list[Path] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = [
            path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.name not in IGNORED
        ]
        other = next((path for path in files if path.suffix.lower() not in ENDINGS or not path.is_file()), None)
        if other is not None or not files:
            raise ValueError(
                f"{folder}: expected PNG or JPEG images of one class, found {other.name if other else 'none'}; take it "
                "out, or give the folder whose folders are the classes"
            )
        found += files
    if not found:
        raise ValueError(f"{root}: expected a folder of images for each class, found no folder")
    return found


@lru_cache(maxsize=1)  # many runs share a process in a sweep; a file that changes has another time or size
def _read(
    files: tuple[tuple[Path, int, int], ...], size: tuple[int, int] | None, channels: int | None
) -> tuple[torch.Tensor, str]:
    """The pixels (images, channels, height, width) from 0 to 1, and the fingerprint of the files' bytes."""
    found = hashlib.sha256()
    images: list[Image.Image] = []
    for path, *_ in files:
        found.update(hashlib.sha256(path.read_bytes()).digest())
        try:
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image)
                upright.load()
        except Exception as problem:  # of many decoders, whatever is wrong with the bytes
            said = " ".join(str(problem).split())[:100]
            raise ValueError(f"{path}: expected an image that can be read, found none ({said}); take it out") from None
        if upright.mode not in GREY + COLOURED:
            raise ValueError(f"{path}: expected eight bits per value, found mode {upright.mode}; save it as 8-bit PNG")
        images.append(upright)
    channels = channels or (1 if all(image.mode in GREY for image in images) else 3)
    height, width = size or images[0].size[::-1]
    pixels = torch.empty(len(images), channels, height, width)
    for place, original in enumerate(images):
        shown = original.convert("L" if channels == 1 else "RGB")
        if size is not None:
            shown = shown.resize((width, height), Image.Resampling.BILINEAR)
        if shown.size != (width, height):
            raise ValueError(
                f"{files[place][0]}: expected {width} × {height} pixels as {files[0][0].name} has, found "
                f"{shown.size[0]} × {shown.size[1]}; data.size=[{height},{width}] resizes all"
            )
        values = np.asarray(shown, np.float32).reshape(height, width, channels)
        pixels[place] = torch.from_numpy(values).permute(2, 0, 1)
    return pixels / 255, found.hexdigest()
