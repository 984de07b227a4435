"""Data files: found in folders or fetched from mirrors, and used only when their content is right."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from litmus.atomic import replacing
from litmus.training.unfit import UnfitError, refuse_foreign

Parsed = TypeVar("Parsed")
# What a file is, other than asked for, shows in its first bytes.
FOREIGN_BYTES = 1 << 20


def exactly(size: int, sha256: str) -> Callable[[bytes], bytes]:
    """A parse for `read` that accepts only content of this size and sha256."""

    def parse(content: bytes) -> bytes:
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            expected = f"{size:,} bytes with sha256 {sha256[:16]}…"
            refuse_foreign(content[:FOREIGN_BYTES], expected)
            raise UnfitError(f"expected {expected}, found {len(content):,} with sha256 {found[:16]}…")
        return content

    return parse


def present(folders: Iterable[Path], names: Iterable[str]) -> list[Path]:
    """The files of these names that are in the folders, gzip or plain, in the folders' order.

    Kaggle unpacks a file into a folder of its name, so each is looked for there too.
    """
    return [path for path in _places(folders, names) if path.is_file()]


def broken_links(folders: Iterable[Path], names: Iterable[str]) -> str:
    """Links of these names that lead nowhere, for a sentence that says what was not found; else nothing."""
    broken = [path for path in _places(folders, names) if path.is_symlink() and not path.exists()]
    return "".join(f" ({path} is a link to {path.readlink()}, which is not there)" for path in broken)


def _places(folders: Iterable[Path], names: Iterable[str]) -> list[Path]:
    pairs = product(dict.fromkeys(folders), list(names))
    return [place for folder, name in pairs for place in _spelt(folder, name) + _spelt(folder / name, name)]


def _spelt(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}.gz", folder / name]


def ensure(
    target: Path,
    parse: Callable[[bytes], object],
    folders: Sequence[Path] = (),
    mirrors: Sequence[str] = (),
    timeout: float = 30.0,
    remedy: str = "",
) -> list[Path]:
    """Where the file is: beside `target` and in the folders, gzip or plain, else `target` fetched.

    Args:
        target: where the file is looked for first, and put when it is fetched.
        parse: reads the decompressed content and raises ValueError ("expected …, found …") where it is not
            right; a download must pass it here, a file that was found must pass it in `read`.
        folders: where else the file may be.
        mirrors: addresses of the file, tried in turn.
        timeout: seconds without an answer or a byte after which a mirror is given up.
        remedy: what to do when there is none; empty is to put a good copy at `target`.

    Raises:
        FileNotFoundError: one sentence: where it was expected, what came of each mirror, what to do.
    """
    plain = target.name.removesuffix(".gz")
    places = list(dict.fromkeys([target.parent, *folders]))
    found = present(places, [plain])
    if found:
        return found
    failures = fetch(target, parse, mirrors, timeout)
    if target.exists():
        return [target]
    where = f"expected {plain} (or {plain}.gz) in {', '.join(map(str, places))}, found none"
    where += broken_links(places, [plain])
    raise FileNotFoundError(f"{where}{failures}; {remedy or f'put a good copy at {target}'}")


def fetch(target: Path, parse: Callable[[bytes], object], mirrors: Sequence[str], timeout: float) -> str:
    """Puts the file at `target` from the first mirror that has it; what came of those that had not, as for `ensure`."""
    failures = []
    for address in mirrors:
        try:
            with replacing(target) as part:
                _download(address, part, timeout)
                parse(_decompressed(part))
            return ""
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, and so is a full disk
            failures.append(f"{address} {_reason(error, timeout)}")
    return f" and could not fetch it ({'; '.join(failures)})" if failures else ""


def read(paths: Sequence[Path], parse: Callable[[bytes], Parsed], remedy: str) -> Parsed:
    """What `parse` makes of the decompressed content of the first file that is right.

    Raises:
        ValueError: one sentence about the first file: what was expected, what was found, what to do.
    """
    problems = []
    for path in paths:
        try:
            return parse(_decompressed(path))
        except (OSError, ValueError) as error:
            found = f"expected a file that can be read, found {error.strerror}" if isinstance(error, OSError) else error
            problems.append((path, found, getattr(error, "remedy", "") or remedy))
    path, found, todo = problems[0]
    link = f" (a link to {path.resolve()})" if path.is_symlink() else ""
    raise ValueError(f"{path}{link}: {found}; {todo}")


def read_one(paths: Sequence[Path], parse: Callable[[bytes], Parsed], remedy: str) -> Parsed:
    """The same for content that nothing pins: of several files none is better than another.

    Raises:
        ValueError: also where two files differ.
    """
    contents = [read([path], bytes, remedy) for path in paths]
    other = next((path for path, content in zip(paths, contents, strict=True) if content != contents[0]), None)
    if other is not None:
        raise ValueError(f"{paths[0]}: expected one file, found {other} beside it, which differs; delete one of them")
    return read(paths[:1], parse, remedy)


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
