"""A data file is found, fetched whole or not at all, and never used when its content is wrong."""

import errno
import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litmus.atomic import ABANDONED_SECONDS, naming, replacing
from litmus.files import ensure, exactly, read
from tests.data_helpers import serving

CONTENT = random.Random(0).randbytes(400_000)
CHECK = exactly(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
FETCH = """
import hashlib, sys
from pathlib import Path
from litmus.files import ensure, exactly
size, sha256, target, mirror = sys.argv[1:]
ensure(Path(target), exactly(int(size), sha256), mirrors=[mirror], timeout=10)
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def server():
    with serving({"file.gz": gzip.compress(CONTENT), "file": CONTENT, "empty": b""}) as address:
        yield address


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def in_another_process(target: Path, mirror: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-c",
        FETCH,
        str(len(CONTENT)),
        hashlib.sha256(CONTENT).hexdigest(),
        target,
        mirror,
    ]
    return subprocess.Popen([str(part) for part in command])


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("level", [None, 0, 1, 9])
def test_the_content_counts_not_its_name_or_compression(tmp_path, name, level):
    path = tmp_path / name
    path.write_bytes(CONTENT if level is None else gzip.compress(CONTENT, level))
    assert ensure(tmp_path / "file.gz", CHECK) == [path]
    assert read([path], CHECK, "") == CONTENT


def test_folders_are_searched_in_order_and_the_target_first(tmp_path):
    target, folders = tmp_path / "a" / "file.gz", [tmp_path / "b", tmp_path / "c"]
    for path in (tmp_path / "c" / "file.gz", tmp_path / "b" / "file", tmp_path / "a" / "file", target):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENT)
        assert ensure(target, CHECK, folders)[0] == path


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda packed: packed[: len(packed) // 2], "truncated"),
        (lambda packed: packed[:3], "truncated"),
        (lambda packed: packed[:-5], "truncated"),
        (lambda packed: packed[:100] + bytes([packed[100] ^ 1]) + packed[101:], "damaged"),
        (lambda packed: packed[:-5] + b"\0" + packed[-4:], "damaged"),
        (lambda packed: b"", "found an empty file"),
        (lambda packed: b"404: Not Found", "found 14 with sha256"),
        (lambda packed: CONTENT[:-1], "found 399,999 with sha256"),
        (lambda packed: gzip.compress(CONTENT[:-1] + b"!"), "found 400,000 with sha256"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, damage, found):
    path, target = tmp_path / "file.gz", tmp_path / "good" / "file.gz"
    path.write_bytes(damage(gzip.compress(CONTENT)))
    with pytest.raises(ValueError, match=r"expected .*, found") as caught:
        read([path], CHECK, f"put a good copy at {target}")
    sentence = str(caught.value)
    assert found in sentence
    assert sentence.startswith(str(path))
    assert sentence.endswith(f"put a good copy at {target}")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<html>not found</html>", "a web page or XML; save the file itself"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer, not the file it stands for; type git lfs",
        ),
        pytest.param(gzip.compress(gzip.compress(CONTENT)), "a gzip file inside another; unpack it once", id="twice"),
        (b'{"message": "Not Found"}', "JSON; "),
        (b"PK\3\4file", "a zip archive or a workbook; unpack it"),
    ],
)
def test_what_took_a_files_place_is_called_what_it_is(tmp_path, content, found):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected 400,000 bytes with sha256 .*, found ") as caught:
        read([path], CHECK, "put a good copy there")
    assert f"found {found}" in str(caught.value)
    assert str(caught.value).count("; ") == 1


def test_of_several_files_the_good_one_is_used_wherever_it_is(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
        (folder / "file").write_bytes(b"damaged")
    for folder in folders:
        (folder / "file.gz").write_bytes(gzip.compress(CONTENT))
        paths = ensure(folders[0] / "file.gz", CHECK, folders[1:])
        assert read(paths, CHECK, "") == CONTENT
        (folder / "file.gz").unlink()
    with pytest.raises(ValueError, match=str(folders[0] / "file")):
        read(ensure(folders[0] / "file.gz", CHECK, folders[1:]), CHECK, "put a good copy there")


def test_a_link_is_blamed_for_what_it_leads_to(tmp_path):
    good, other, link = tmp_path / "good", tmp_path / "other", tmp_path / "here" / "file"
    link.parent.mkdir()
    good.write_bytes(CONTENT)
    other.write_bytes(b"another")
    link.symlink_to(good)
    assert read([link], CHECK, "") == CONTENT
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(ValueError, match="expected") as caught:
        read([link], CHECK, "put a good copy there")
    assert str(caught.value).startswith(f"{link} (a link to {other}): expected ")
    other.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        ensure(link, CHECK)
    assert f"found none ({link} is a link to {other}, which is not there); put a good copy at" in str(caught.value)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match="expected a file that can be read, found Permission denied; put a good copy"):
        read([path], CHECK, "put a good copy there")


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_each_mirror_is_tried_until_one_gives_the_content(tmp_path, server, name, capfd):
    behaviours = ["broken", "missing", "cut", "short", "altered", "stalled", "good"]
    mirrors = ["http://127.0.0.1:9/file", *(f"{server}/{behaviour}/{name}" for behaviour in behaviours)]
    target = tmp_path / "data" / "file.gz"
    assert ensure(target, CHECK, mirrors=mirrors, timeout=0.2) == [target]
    assert read([target], CHECK, "") == CONTENT
    assert names(target.parent) == ["file.gz"]
    assert capfd.readouterr() == ("", ""), "progress is for terminals"


def test_what_cannot_be_fetched_is_one_sentence_with_each_mirrors_failure(tmp_path, server):
    target = tmp_path / "data" / "file.gz"
    behaviours = ["broken", "cut", "short", "altered", "stalled"]
    mirrors = ["http://127.0.0.1:9/file", f"{server}/good/other", "no address"]
    mirrors += [f"{server}/{behaviour}/file.gz" for behaviour in behaviours]
    start = time.monotonic()
    with pytest.raises(FileNotFoundError) as caught:
        ensure(target, CHECK, [tmp_path / "elsewhere"], mirrors, timeout=0.2)
    assert time.monotonic() - start < 5
    sentence = str(caught.value)
    for reason in [
        "9/file could not be reached",
        "good/other answered 404",
        "no address failed",
        "broken/file.gz answered 500",
        "cut/file.gz broke off",
        "short/file.gz failed: expected a whole gzip file, found",
        "altered/file.gz failed: expected a whole gzip file, found",
        "stalled/file.gz stalled for 0.2 s",
    ]:
        assert reason in sentence
    assert sentence.startswith(f"expected file (or file.gz) in {target.parent}, {tmp_path / 'elsewhere'}, found none")
    assert sentence.endswith(f"; put a good copy at {target}")
    assert "\n" not in sentence
    assert names(target.parent) == []


def test_without_mirrors_nothing_is_said_of_fetching(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none; put a good copy at"):
        ensure(tmp_path / "file.gz", CHECK)


def test_a_killed_download_leaves_nothing_that_is_used_and_the_next_one_starts_clean(tmp_path, server):
    target = tmp_path / "file.gz"
    process = in_another_process(target, f"{server}/stalled/file.gz")
    while not any(path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (part,) = tmp_path.iterdir()
    assert not target.exists()
    ensure(target, CHECK, mirrors=[f"{server}/good/file.gz"])
    assert read([target], CHECK, "") == CONTENT
    assert part.exists(), "it may be another process's, still at work"
    os.utime(part, (0, time.time() - ABANDONED_SECONDS - 60))
    with replacing(target) as again:
        again.write_bytes(b"")
    assert names(tmp_path) == ["file.gz"]


@pytest.mark.long
def test_two_processes_that_fetch_at_once_both_get_the_whole_file(tmp_path, server):
    target = tmp_path / "file.gz"
    processes = [in_another_process(target, f"{server}/slow/file.gz") for _ in range(2)]
    while any(process.poll() is None for process in processes):
        if target.exists():
            assert read([target], CHECK, "") == CONTENT
        time.sleep(0.01)
    assert [process.returncode for process in processes] == [0, 0]
    assert read([target], CHECK, "") == CONTENT
    assert names(tmp_path) == ["file.gz"]


def write_half(path: Path) -> None:
    with replacing(path) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def test_replacing_shows_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new" / "file"
    with replacing(path) as part:
        part.write_bytes(b"old")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    with path.open("rb") as reader:
        with replacing(path) as part, replacing(path) as other:
            part.write_bytes(b"one")
            other.write_bytes(b"two")
        assert reader.read() == b"old", "who reads the old file goes on reading it"
    assert path.read_bytes() == b"one"
    assert names(path.parent) == ["file"]


PART = Path(".mine.part")


@pytest.mark.parametrize(
    ("problem", "part", "file"),
    [
        (FileNotFoundError("the data are not here; make train fetches them"), None, None),
        (FileNotFoundError("the data are not here; make train fetches them"), PART, None),
        (ConnectionResetError("the service went away"), None, None),
        (PermissionError(errno.EACCES, "Permission denied", "other"), PART, "other"),
        (OSError(errno.ENOSPC, "No space left on device"), None, "mine"),
        (OSError(errno.EROFS, "Read-only file system", str(PART)), PART, "mine"),
    ],
)
def test_an_error_is_about_the_file_only_where_the_disk_is_full_or_its_part_is_named(problem, part, file):
    with pytest.raises(type(problem)) as caught, naming(Path("mine"), part):
        raise problem
    assert caught.value.filename == file
