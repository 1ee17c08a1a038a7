import pytest
import yaml
from PIL import Image

from poserior import formats
from poserior.errors import InputError

DATA = {
    "path": "../somewhere/else",
    "train": "images/train",
    "val": "../images/val",
    "kpt_shape": [3, 3],
    "flip_idx": [0, 2, 1],
    "names": {0: "cat"},
    "kpt_names": {0: ["nose", "left_paw", "right_paw"]},
}
LINE = "0 0.2 0.55 0.3 0.7 0.1 0.3 2 0.3025 0.7025 1 0 0 0\n"  # of a picture 200 wide and 100 high


@pytest.fixture
def data_set(tmp_path, write):
    def make(line=LINE, **changes):
        for name, size in (("train/a.png", (200, 100)), ("val/b.png", (40, 50))):
            file = tmp_path / "cats/images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", size).save(file)
        write("cats/labels/train/a.txt", line)
        description = {key: value for key, value in (DATA | changes).items() if value is not None}
        return write("cats/data.yaml", yaml.safe_dump(description))

    return make


def test_shares_of_the_picture_are_continuous_pixels(data_set):
    found = formats.read(data_set())
    (cat,) = found.people
    assert cat.points[0] == pytest.approx((20.0, 30.0, 2))
    assert cat.points[1] == pytest.approx((60.5, 70.25, 1))
    assert cat.points[2] == formats.UNLABELLED
    assert cat.box_xyxy == pytest.approx((10.0, 20.0, 70.0, 90.0))
    assert [(image.name, image.size, image.part) for image in found.images] == [
        ("train/a.png", (100, 200), "train"),
        ("val/b.png", (50, 40), "val"),
    ]
    assert found.flip_pairs == (("left_paw", "right_paw"),)
    assert found.keypoints == ("nose", "left_paw", "right_paw")


def test_without_visibilities_what_is_placed_is_visible(data_set):
    found = formats.read(data_set("0 .5 .5 1 1 0.25 0.5 0 0 1 1\n", kpt_shape=[3, 2], kpt_names=None).parent)
    assert found.people[0].points == ((50.0, 50.0, 2), formats.UNLABELLED, (200.0, 100.0, 2))
    assert (found.keypoints, found.named) == (("keypoint_1", "keypoint_2", "keypoint_3"), False)


def test_a_skeleton_names_what_has_no_names(data_set, cats):
    skeleton = formats.skeleton_of(cats, "cat")
    found = formats.read(data_set(kpt_names=None), skeleton=skeleton)
    assert (found.keypoints, found.edges, found.named) == (cats.keypoints, cats.edges, True)


def test_the_files_that_are_written(cats, tmp_path):
    formats.write(cats, tmp_path / "out", "yolo")
    line = (tmp_path / "out/labels/a.txt").read_text().splitlines()[0]
    assert line == "0 0.2 0.55 0.3 0.7 0.1 0.3 2 0.3025 0.7025 1 0 0 0"
    assert (tmp_path / "out/labels/b.txt").read_text() == ""
    assert (tmp_path / "out/train.txt").read_text() == "./images/a.png\n./images/b.png\n"
    description = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert description["kpt_shape"] == [3, 3]
    assert description["flip_idx"] == [0, 2, 1]
    assert description["train"] == description["val"] == "train.txt"


def test_what_lies_outside_the_picture_is_lost_and_said(tmp_path):
    points = ((-5.0, 10.0, 2), (20.0, 10.0, 2))
    person = formats.LabelledPerson(0, points, (-10.0, 0.0, 30.0, 20.0))
    gone = formats.LabelledPerson(0, ((-50.0, 10.0, 2), formats.UNLABELLED))
    labels = formats.Annotations((formats.LabelledImage("a.png", (50, 40)),), (person, gone), ("nose", "tail"))
    assert formats.lost(labels, "yolo") == [
        "1 keypoints outside their picture",
        "the parts of 1 boxes outside their picture",
        "1 crowds and people without anything inside their picture",
    ]
    formats.write(labels, tmp_path / "out", "yolo")
    assert (tmp_path / "out/labels/a.txt").read_text() == "0 0.375 0.2 0.75 0.4 0 0 0 0.5 0.2 2\n"


@pytest.mark.parametrize(
    ("line", "changes", "says"),
    [
        ("0 .5 .5 1 1 .1 .1 2\n", {}, "expected 14 values .* in .*a.txt, line 1, found 8"),
        (LINE + LINE.replace("0.1 ", "1.2 ", 1), {}, "share of the picture's side, .*a.txt, line 2, found 1.2"),
        (LINE.replace("0.1 ", "nan ", 1), {}, "finite number in .*a.txt, line 1"),
        ("1" + LINE[1:], {}, "class from 0 to 0 in .*a.txt, line 1, found 1"),
        (LINE.replace("0.3 ", "0 ", 1), {}, "positive width and height"),
        (LINE, {"kpt_shape": [3]}, r"kpt_shape: \[K, 2\]"),
        (LINE, {"kpt_shape": [4, 3], "flip_idx": None, "kpt_names": None}, "expected 17 values"),
        (LINE, {"flip_idx": [1, 2, 0]}, "its mirror image"),
        (LINE, {"kpt_names": {0: ["nose"]}}, "expected 3 names"),
        (LINE, {"names": None}, "the classes' names"),
        (LINE, {"train": "../../images"}, "path inside the image folder"),
        (LINE, {"train": "/images"}, "path inside the image folder"),
        (LINE, {"train": "pictures"}, "expected the pictures' folder at .*pictures"),
        (LINE, {"train": None, "val": None}, "expected pictures under train, val or test"),
    ],
)
def test_bad_data_sets_are_named(data_set, line, changes, says):
    with pytest.raises(InputError, match=says):
        formats.read(data_set(line, **changes))


def test_sizes_are_needed(cats, tmp_path):
    from dataclasses import replace

    images = tuple(replace(image, size=None) for image in cats.images)
    for name in ("yolo", "label-studio"):
        with pytest.raises(InputError, match=f"sizes of all pictures for the format {name}, found none of a.png"):
            formats.write(replace(cats, images=images), tmp_path / "out", name)
