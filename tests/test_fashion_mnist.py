"""Fashion-MNIST: the official images and labels, wherever they come from, and nothing in their place."""

import gzip
import hashlib
import os

import numpy as np
import pytest
import torch

from src.datamodules import fashion_mnist
from src.datamodules.fashion_mnist import MEAN, STD, FashionMNIST, parse_idx
from tests.data_helpers import require_fashion_mnist, serving

NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
TRAIN, TEST = 60, 20


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(length.to_bytes(4, "big") for length in values.shape)
    return header + values.astype(np.uint8).tobytes()


def fact(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


@pytest.fixture
def contents(monkeypatch, tmp_path):
    """Four small files in place of the real ones, which are neither in data_dir nor in Debian's folder."""
    draw = np.random.default_rng(0)
    files = {}
    for part, rows in (("train", TRAIN), ("t10k", TEST)):
        files[f"{part}-images-idx3-ubyte"] = idx(draw.integers(0, 256, (rows, 28, 28)))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(rows) % 10)
    monkeypatch.setattr(fashion_mnist, "FILES", {name: fact(content) for name, content in files.items()})
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return files


def write(folder, contents, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.long
def test_the_real_files_are_the_official_sixty_and_ten_thousand():
    source = FashionMNIST(data_dir=require_fashion_mnist(), mirrors=[]).load()
    assert source.x.shape == (70_000, 1, 28, 28)
    assert source.x.dtype == torch.float32
    assert source.y.dtype == torch.int64
    assert torch.equal(source.test, torch.arange(70_000) >= 60_000)
    assert source.y[:60_000].bincount().tolist() == [6_000] * 10
    assert source.y[60_000:].bincount().tolist() == [1_000] * 10
    train = source.x[:60_000].double()
    assert train.mean().abs() < 2e-4
    assert (train.std() - 1).abs() < 2e-4
    pixels = train * STD + MEAN
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (MEAN, STD)


PLACES = {
    "data": "put there",
    "data/fashion_mnist": "fetched",
    "debian": "Debian's package",
    "data/FashionMNIST/raw": "torchvision, data_dir its root",
    "data/raw": "torchvision, data_dir its FashionMNIST",
    "data/fashion": "the authors' repository, data_dir its data",
    "data/data/fashion": "the authors' repository, data_dir the clone",
    "data/fashion-mnist/data/fashion": "the authors' repository, cloned into data_dir",
    "data/fashion-mnist": "Keras' datasets",
    "data/datasets/fashion-mnist": "Keras' home",
}
SPELLINGS = {
    "as published": lambda name: name,
    "as some unpackers have it": lambda name: name.replace("-idx", ".idx"),
    "as Kaggle nests it": lambda name: f"{name}/{name}",
    "as Kaggle nests and spells it": lambda name: f"{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
}


@pytest.mark.briefly(*range(0, 80, 5))
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("packed", [True, False])
def test_files_are_found_in_each_place_in_each_spelling_packed_or_not(tmp_path, contents, place, spelling, packed):
    write(tmp_path / place, {SPELLINGS[spelling](name): content for name, content in contents.items()}, packed)
    source = FashionMNIST(data_dir=tmp_path / "data", mirrors=[]).load()
    pixels = np.frombuffer(contents["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(TEST, 1, 28, 28)
    torch.testing.assert_close(source.x[TRAIN:], torch.tensor((pixels / 255 - MEAN) / STD, dtype=torch.float32))
    assert source.y.tolist() == [row % 10 for row in [*range(TRAIN), *range(TEST)]]
    assert source.test.tolist() == [False] * TRAIN + [True] * TEST


def test_the_official_test_images_are_the_test_split_and_nothing_else_is(tmp_path, contents):
    write(tmp_path, contents)
    data = FashionMNIST(data_dir=tmp_path, mirrors=[], batch_size=8)
    rows = data.split(data.load())
    assert rows["test"].tolist() == list(range(TRAIN, TRAIN + TEST))
    assert sorted([*rows["train"].tolist(), *rows["val"].tolist()]) == list(range(TRAIN))


def test_a_second_load_in_the_process_reads_nothing_but_sees_a_changed_file(tmp_path, contents):
    write(tmp_path, contents, packed=False)
    first = FashionMNIST(data_dir=tmp_path, mirrors=[]).load()
    assert FashionMNIST(data_dir=tmp_path, mirrors=[], seed=1).load() is first
    path = tmp_path / NAMES[1]
    path.write_bytes(contents[NAMES[1]][:-1] + b"\7")
    os.utime(path, ns=(0, 0))
    with pytest.raises(ValueError, match=NAMES[1]):
        FashionMNIST(data_dir=tmp_path, mirrors=[]).load()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "magic", "swapped"])
def test_each_damage_to_each_file_is_refused_in_one_sentence(tmp_path, contents, name, damage):
    other = name.replace("images-idx3", "LABELS").replace("labels-idx1", "images-idx3").replace("LABELS", "labels-idx1")
    packed, content = gzip.compress(contents[name]), contents[name]
    write(tmp_path / "debian", contents)
    path = tmp_path / "debian" / f"{name}.gz"
    path.write_bytes(
        {
            "truncated": packed[: len(packed) // 2],
            "flipped": gzip.compress(content[:-1] + bytes([content[-1] ^ 1])),
            "empty": b"",
            "magic": gzip.compress(b"\1" + content[1:]),
            "swapped": gzip.compress(contents[other]),
        }[damage]
    )
    with pytest.raises(ValueError, match=r"expected .*, found") as caught:
        FashionMNIST(data_dir=tmp_path / "data", mirrors=[]).load()
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.endswith(f"put a good copy at {tmp_path / 'data' / 'fashion_mnist' / f'{name}.gz'}")
    assert "\n" not in sentence
    write(tmp_path / "data" / "fashion_mnist", {name: contents[name]})  # which is what the sentence asks for
    assert len(FashionMNIST(data_dir=tmp_path / "data", mirrors=[]).load().y) == TRAIN + TEST


def test_a_missing_file_is_fetched_from_the_first_mirror_that_has_it(tmp_path, contents):
    packed = {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}
    with serving(packed) as server:
        mirrors = [f"{server}/{behaviour}" for behaviour in ("stalled", "cut", "broken", "altered", "good/")]
        fetched = FashionMNIST(data_dir=tmp_path / "data", mirrors=mirrors, timeout=0.1).load()
    write(tmp_path / "here", contents)
    assert torch.equal(fetched.x, FashionMNIST(data_dir=tmp_path / "here", mirrors=[]).load().x)
    assert sorted(path.name for path in (tmp_path / "data" / "fashion_mnist").iterdir()) == sorted(packed)
    assert FashionMNIST(data_dir=tmp_path / "data", mirrors=[]).load().sha256 == fetched.sha256


def not_found(folder):
    with pytest.raises(FileNotFoundError) as caught:
        FashionMNIST(data_dir=folder, mirrors=[]).load()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("expected ")
    return sentence.partition(", found ")


def test_files_that_are_nowhere_are_one_sentence(tmp_path, contents):
    expected, _, found = not_found(tmp_path)
    assert expected.startswith(f"expected {', '.join(NAMES)} (.gz or not) in {tmp_path}, its folders fashion_mnist, ")
    assert found == f"none of the four files; put what is missing into {tmp_path / 'fashion_mnist'}"


@pytest.mark.parametrize("missing", NAMES)
def test_what_is_there_is_said_with_what_is_missing(tmp_path, contents, missing):
    write(tmp_path / "FashionMNIST/raw", {name: content for name, content in contents.items() if name != missing})
    expected, _, found = not_found(tmp_path)
    assert expected.startswith(f"expected {missing} (.gz or not) in ")
    there = [str(tmp_path / "FashionMNIST/raw" / f"{name}.gz") for name in NAMES if name != missing]
    assert found == f"{', '.join(there)}; put what is missing into {tmp_path / 'fashion_mnist'}"


def test_files_in_a_folder_of_ones_own_are_seen_and_the_line_to_type_is_said(tmp_path, contents):
    place = tmp_path / "downloads" / "clothes"
    write(place, contents)
    typed = not_found(tmp_path)[2].partition("; type data_dir=")[2]
    assert typed == str(place)
    assert len(FashionMNIST(data_dir=typed, mirrors=[]).load().y) == TRAIN + TEST


def test_kaggles_tables_are_called_what_they_are(tmp_path, contents):
    table = tmp_path / "archive" / "fashion-mnist_train.csv"
    table.parent.mkdir()
    table.write_text("label,pixel1\n2,0\n")
    found = not_found(tmp_path)[2]
    assert found.startswith(f"none of the four files; {table} is Kaggle's table of these images in another order: get ")
    assert found.endswith(f"and put them into {tmp_path / 'fashion_mnist'}")


def test_a_link_that_leads_nowhere_is_said(tmp_path, contents):
    write(tmp_path, contents)
    path = tmp_path / f"{NAMES[0]}.gz"
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert f"({path} is a link to {tmp_path / 'gone'}, which is not there)" in not_found(tmp_path)[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_another_of_the_files_is_blamed_itself_and_says_which(tmp_path, contents, name):
    write(tmp_path / "good", contents)
    write(tmp_path / "data", {other: content for other, content in contents.items() if other != name})
    other = next(other for other in NAMES if other != name)
    link = tmp_path / "data" / f"{name}.gz"
    link.symlink_to(tmp_path / "good" / f"{other}.gz")
    with pytest.raises(ValueError, match="expected") as caught:
        FashionMNIST(data_dir=tmp_path / "data", mirrors=[]).load()
    leads = f"{link} (a link to {tmp_path / 'good' / other}.gz)"
    assert str(caught.value).startswith(f"{leads}: expected {name}, found the content of {other}; put a good copy at ")


def test_another_data_sets_files_of_these_names_are_called_so(tmp_path, contents):
    write(tmp_path, contents | {NAMES[0]: idx(np.zeros((TRAIN, 28, 28)))})
    with pytest.raises(ValueError, match=rf"an IDX file of shape \({TRAIN}, 28, 28\)"):
        FashionMNIST(data_dir=tmp_path, mirrors=[]).load()


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 5)])
def test_idx_keeps_shape_and_values(shape):
    values = np.random.default_rng(1).integers(0, 256, shape)
    assert np.array_equal(parse_idx(idx(values)), values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x0d\1\0\0\0\0",
        b"\0\0\x08\3\0\0",
        idx(np.ones((2, 3)))[:-1],
        idx(np.ones(2)) + b"\0",
    ],
)
def test_what_is_not_a_whole_idx_file_of_bytes_is_refused(content):
    with pytest.raises(ValueError, match=r"expected .*, found"):
        parse_idx(content)
