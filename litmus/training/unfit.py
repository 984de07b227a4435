"""Files that hold something else than was asked for, told by their content."""

import codecs
import json
import re
from collections.abc import Callable
from contextlib import suppress

CONFLICT = re.compile(rb"^(<<<<<<< |>>>>>>> )", re.MULTILINE)
SAVE_AS_CSV = "open it where it was made and save it as CSV"


class UnfitError(ValueError):
    """Content that is not what was expected.

    Args:
        told: "expected …, found …".
        remedy: what to do, where the content says so; empty leaves it to whoever asked for the file.
    """

    def __init__(self, told: str, remedy: str = "") -> None:
        super().__init__(told)
        self.remedy = remedy


def refuse_foreign(content: bytes, expected: str) -> None:
    """Refuses content that is of a kind which neither text nor data files are.

    Raises:
        UnfitError: names what it is.
    """
    for kind, found, remedy in KINDS:
        if kind(content):
            what = found if isinstance(found, str) else found(content)
            raise UnfitError(f"expected {expected}, found {what}", remedy)


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(starts)


def _markup(content: bytes) -> bool:
    return bool(re.match(rb"\s*<[!?a-z]", _without_mark(content)[:200], re.IGNORECASE))


def _json(content: bytes) -> bool:
    text = _without_mark(content).strip()
    if text[:1] not in (b"{", b"["):
        return False
    for part in (text, text.partition(b"\n")[0]):  # a document, or one a line
        with suppress(ValueError, RecursionError):
            json.loads(part)
            return True
    return False


def _without_mark(content: bytes) -> bytes:
    return content.removeprefix(codecs.BOM_UTF8)


def _conflict(content: bytes) -> str:
    marker = CONFLICT.search(content)
    line = content[: marker.start()].count(b"\n") + 1 if marker else 1
    return f"the markers of a merge conflict (line {line})"


# What the content is told by, what it is called, what to do; the first that fits.
KINDS: tuple[tuple[Callable[[bytes], bool], str | Callable[[bytes], str], str], ...] = (
    (lambda content: not _without_mark(content).strip(), "an empty file", ""),
    (
        _begins(b"version https://git-lfs.github.com/spec/"),
        "a Git LFS pointer, not the file it stands for",
        "type git lfs pull in the repository that it came from",
    ),
    (
        _begins(b"/annex/objects/"),
        "a git-annex pointer, not the file it stands for",
        "type git annex get in the repository that it came from",
    ),
    (lambda content: CONFLICT.search(content) is not None, _conflict, "resolve the conflict, which holds two versions"),
    (
        lambda content: content.startswith(b"PK\3\4") and (b"xl/" in content or b"[Content_Types]" in content),
        "an Excel workbook (.xlsx)",
        SAVE_AS_CSV,
    ),
    (
        lambda content: content.startswith(b"PK\3\4") and b"opendocument.spreadsheet" in content[:200],
        "an OpenDocument spreadsheet (.ods)",
        SAVE_AS_CSV,
    ),
    (_begins(b"PK\3\4", b"PK\5\6"), "a zip archive or a workbook", "unpack it, or save a workbook as CSV"),
    (_begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an Excel workbook (.xls)", SAVE_AS_CSV),
    (_begins(b"%PDF"), "a PDF document", ""),
    (_begins(rb"{\rtf"), "a rich text document", "save it as plain text"),
    (_begins(b"\x1f\x8b"), "a gzip file inside another", "unpack it once"),
    (_markup, "a web page or XML", "save the file itself (on GitHub: Raw), not the page that shows it"),
    (_json, "JSON", SAVE_AS_CSV),
)
