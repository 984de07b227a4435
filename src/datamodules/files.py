"""Data files: found in folders or fetched from mirrors, and used only when their content is right."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from src.atomic import replacing

Parsed = TypeVar("Parsed")


def exactly(size: int, sha256: str) -> Callable[[bytes], bytes]:
    """A parse for `read` that accepts only content of this size and sha256."""

    def parse(content: bytes) -> bytes:
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ValueError(
                f"expected {size:,} bytes with sha256 {sha256[:16]}…, found {len(content):,} with sha256 {found[:16]}…"
            )
        return content

    return parse


def ensure(
    target: Path,
    parse: Callable[[bytes], object],
    folders: Sequence[Path] = (),
    mirrors: Sequence[str] = (),
    timeout: float = 30.0,
) -> Path:
    """Where the file is: `target`, else the same name in a folder, gzip or plain, else `target` fetched.

    Args:
        target: where the file is looked for first, and put when it is fetched.
        parse: reads the decompressed content and raises ValueError ("expected …, found …") where it is not
            right; a download must pass it here, a file that was found must pass it in `read`.
        folders: where else the file may be.
        mirrors: addresses of the file, tried in turn.
        timeout: seconds without an answer or a byte after which a mirror is given up.

    Raises:
        FileNotFoundError: one sentence: where it was expected, what came of each mirror, where to put a copy.
    """
    plain = target.name.removesuffix(".gz")
    for folder in [target.parent, *folders]:
        for path in (folder / f"{plain}.gz", folder / plain):
            if path.is_file():
                return path
    failures = []
    for address in mirrors:
        try:
            with replacing(target) as part:
                _download(address, part, timeout)
                parse(_decompressed(part))
            return target
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, and so is a full disk
            failures.append(f"{address} {_reason(error, timeout)}")
    places = ", ".join(str(folder) for folder in dict.fromkeys([target.parent, *folders]))
    raise FileNotFoundError(
        f"expected {plain} (or {plain}.gz) in {places}, found none"
        + (f" and could not fetch it ({'; '.join(failures)})" if failures else "")
        + f"; put a good copy at {target}"
    )


def read(path: Path, parse: Callable[[bytes], Parsed], target: Path) -> Parsed:
    """What `parse` makes of the file's decompressed content.

    Raises:
        ValueError: one sentence: the file, what was expected, what was found, where to put a good copy.
    """
    try:
        return parse(_decompressed(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; put a good copy at {target}") from error


def _decompressed(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):  # told by the content: servers and browsers unpack without renaming
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        what = "truncated" if isinstance(error, EOFError) else "damaged"
        raise ValueError(f"expected a whole gzip file, found {len(content):,} bytes of a {what} one") from error


def _download(address: str, part: Path, timeout: float) -> None:
    from pooch import HTTPDownloader
    from tqdm import tqdm

    name = address.rpartition("/")[2]
    # disable=None: on a terminal only; total=1: pooch sets the total, but first asks whether the bar is true
    with tqdm(desc=name, total=1, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=timeout)(address, str(part), None)


def _reason(error: Exception, timeout: float) -> str:
    import requests  # pooch downloads with it

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code}"
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):
        return f"stalled for {timeout:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off"
    if isinstance(error, requests.ConnectionError):
        return "could not be reached"
    return f"failed: {error}"
