"""Picture files against labels, and against each other."""

import cv2
import numpy as np
import pytest

from poserior.checks import (
    duplicate_pictures,
    look,
    picture_files,
    picture_sizes,
    read_labels,
    shared_names,
    split_leaks,
)
from poserior.checks.alike import close_pairs
from poserior.pictures import SUFFIXES, decode, open_images


def picture(seed, size=(120, 160)):
    """Blobs, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)


def upright(data, source):
    return decode(data, source, upright=True)


@pytest.fixture
def folder(tmp_path, labels):
    """The pictures of the good labels."""
    for n, image in enumerate(labels["images"]):
        cv2.imwrite(str(tmp_path / image["file_name"]), picture(n))
    return tmp_path


def seen_in(content, folder):
    labels = read_labels(content)[0]
    store = open_images(folder)
    return labels, store, look(labels, store, decode)


def test_good_pictures_are_not_complained_of(labels, folder):
    read, store, seen = seen_in(labels, folder)
    assert len(seen) == 20
    assert picture_files(read, seen, store, SUFFIXES) == []
    assert picture_sizes(read, seen, store, upright) == []
    assert duplicate_pictures(seen) == []


def test_missing_broken_unused_and_repeated_files(labels, folder):
    (folder / "003.png").unlink()
    (folder / "004.png").write_bytes(b"")
    (folder / "005.png").write_bytes((folder / "005.png").read_bytes()[:500])
    cv2.imwrite(str(folder / "more.jpg"), picture(99))
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    labels["images"][7]["file_name"] = "006.png"
    labels["images"][8]["file_name"] = "../008.png"
    read, store, seen = seen_in(labels, folder)
    says = {one.what: one.examples for one in picture_files(read, seen, store, SUFFIXES)}
    assert says.pop("2 pictures are not where the labels say") == ("003.png", "../008.png")
    broken = says.pop("2 pictures cannot be decoded")
    assert broken == ("004.png: 0 bytes, no whole picture", "005.png: 500 bytes, no whole picture")
    assert says.pop("1 files stand under several image ids") == ("006.png",)
    assert says.pop("3 picture files are in no entry") == ("007.png", "008.png", "more.jpg")
    assert says == {}


def test_sizes_and_turned_pictures(labels, folder):
    labels["images"][0]["height"], labels["images"][0]["width"] = 160, 120
    labels["images"][1]["width"] = 170
    labels["images"][2]["file_name"] = "002.jpg"
    labels["images"][2]["height"], labels["images"][2]["width"] = 160, 120
    data = cv2.imencode(".jpg", picture(2))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    (folder / "002.jpg").write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    read, store, seen = seen_in(labels, folder)
    says = {one.what: one.examples for one in picture_sizes(read, seen, store, upright)}
    assert says == {
        "1 pictures are turned by their EXIF mark, and the labels speak of the turned picture": (
            "002.jpg: 120 x 160 said, 160 x 120 found",
        ),
        "1 pictures have height and width exchanged in the labels": ("000.png: 120 x 160 said, 160 x 120 found",),
        "1 pictures have another size than the labels say": ("001.png: 170 x 120 said, 160 x 120 found",),
    }


def test_the_same_picture_twice_and_in_both_sets(labels, folder, tmp_path_factory):
    (folder / "003.png").write_bytes((folder / "001.png").read_bytes())
    brighter = cv2.resize(picture(2, (240, 320)), (150, 110)) * 0.9 + 20
    cv2.imwrite(str(folder / "004.png"), brighter)
    _, _, seen = seen_in(labels, folder)
    equal, near = duplicate_pictures(seen)
    assert (equal.severity, equal.count, equal.examples) == ("warning", 1, ("001.png and 003.png",))
    assert (near.severity, near.count, near.examples) == ("hint", 1, ("002.png and 004.png",))
    train = {name: seen[name] for name in ("000.png", "001.png", "002.png")}
    val = {name: seen[name] for name in ("003.png", "004.png", "005.png")}
    equal, near = split_leaks(train, val)
    assert (equal.severity, equal.examples) == ("error", ("001.png (train) and 003.png (val)",))
    assert (near.severity, near.examples) == ("warning", ("002.png (train) and 004.png (val)",))


def test_names_in_both_sets():
    train = ["walk3_0001.jpg", "walk3_0002.jpg", "run_0001.jpg", "000123.jpg"]
    names, groups = shared_names(train, ["walk3_0003.jpg", "run_0001.jpg", "sit.jpg", "000124.jpg"])
    assert names.examples == ("run_0001.jpg",)
    assert groups.examples[1:] == (
        "run: 1 in training, 1 in validation",
        "walk3: 2 in training, 1 in validation",
    )
    assert shared_names(["1.jpg", "2.jpg"], ["3.jpg"]) == []


def test_close_pairs_are_those_of_brute_force():
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**63, 300).astype(np.uint64)
    for n in range(100):  # neighbours at 0 to 9 bits
        flips = draw.choice(64, n % 10, replace=False)
        hashes[200 + n] = hashes[n] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None])
    i, j = np.nonzero(apart <= 6)
    assert close_pairs(hashes, 6).tolist() == [[a, b] for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b]
    assert sum(a < b for a, b in zip(i, j, strict=True)) == 70
