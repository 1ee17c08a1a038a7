"""One set of labels, written by hand in every format: two pictures, two cats and a picture without any."""

import json

import pytest
from PIL import Image

from poserior import formats

NAMES = ("nose", "left_paw", "right_paw")


@pytest.fixture
def pictures(tmp_path):
    """``a.png`` is 200 wide and 100 high, ``b.png`` 40 x 50."""
    folder = tmp_path / "shots"
    folder.mkdir()
    Image.new("RGB", (200, 100)).save(folder / "a.png")
    Image.new("RGB", (40, 50)).save(folder / "b.png")
    return folder


@pytest.fixture
def cats():
    """In continuous pixels."""
    first = formats.LabelledPerson(
        0, ((20.0, 30.0, 2), (60.5, 70.25, 1), formats.UNLABELLED), (10.0, 20.0, 70.0, 90.0), name="tom"
    )
    second = formats.LabelledPerson(
        0, ((120.0, 30.0, 2), (160.0, 70.0, 2), (140.0, 80.0, 2)), (110.0, 20.0, 170.0, 90.0), name="kit"
    )
    images = (formats.LabelledImage("a.png", (100, 200)), formats.LabelledImage("b.png", (50, 40)))
    return formats.Annotations(images, (first, second), NAMES, ((0, 1), (0, 2)), categories=("cat",))


@pytest.fixture
def write(tmp_path):
    def file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return file
