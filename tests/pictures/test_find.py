import tarfile

import cv2
import numpy as np
import pytest

from poserior.errors import InputError
from poserior.pictures import find_pictures, read_picture


def save(path, value=0, size=(5, 7)):
    image = np.full((*size, 3), value, np.uint8)
    image[1, 2] = (10, 20, 30)  # BGR
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def test_folder_file_pattern_and_archive(tmp_path):
    save(tmp_path / "a" / "2.png")
    save(tmp_path / "a" / "1.PNG".lower())
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    save(tmp_path / "b" / "3.png", 7)
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        archive.add(tmp_path / "b" / "3.png", "deep/4.png")
    found = find_pictures([tmp_path / "a", tmp_path / "a" / "1.png", f"{tmp_path}/b/*.png", tmp_path / "c.tar"])
    assert [picture.name for picture in found] == ["1.png", "2.png", "3.png", "4.png"]
    assert found[3].read()[0, 0].tolist() == [7, 7, 7]
    assert found[0].read()[1, 2].tolist() == [30, 20, 10]


def test_equal_names_keep_as_much_path_as_tells_them_apart(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b" / "1.png")
    monkeypatch.chdir(tmp_path)
    assert [picture.name for picture in find_pictures(["a", "b"])] == ["a/1.png", "b/1.png"]
    assert all(not picture.name.startswith("/") for picture in find_pictures([tmp_path / "a", tmp_path / "b"]))


@pytest.mark.parametrize("given", ["nowhere", "empty", "empty/*.jpg", "text.tar"])
def test_nothing_found_is_one_clear_sentence(tmp_path, given):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tar").write_text("no archive")
    with pytest.raises(InputError, match=r"expected .*found .*;") as caught:
        find_pictures([tmp_path / given])
    assert given in str(caught.value)


def test_broken_pictures_are_named(tmp_path):
    whole = save(tmp_path / "whole.jpg", size=(64, 64)).read_bytes()
    for name, data in (("text.jpg", b"no picture"), ("empty.jpg", b""), ("half.jpg", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            read_picture(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        read_picture(tmp_path / "missing.jpg")


def test_upright_as_the_file_asks_or_as_stored(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (30, 10, 3)
    assert read_picture(tmp_path / "turned.jpg", upright=False).shape == (10, 30, 3)
