"""A data file is found, fetched whole or not at all, and never used when its content is wrong."""

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

from src.atomic import ABANDONED_SECONDS, replacing
from src.datamodules.files import ensure, exactly, read
from tests.data_helpers import serving

CONTENT = random.Random(0).randbytes(400_000)
CHECK = exactly(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
FETCH = """
import hashlib, sys
from pathlib import Path
from src.datamodules.files import ensure, exactly
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
        (lambda packed: b"<html>not found</html>", "found a web page"),
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
