"""What all formats share: detection, round trips, pictures, mutated files."""

import contextlib
import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from poserior import formats, geometry
from poserior.areas import BOX_TO_AREA
from poserior.errors import InputError
from poserior.formats.record import fits

FILES = {"coco": "l.json", "csv": "l.csv", "yolo": "set", "dlc": "l.csv", "label-studio": "l.json"}


def write_as(name, labels, folder):
    """The written file or folder; for YOLO with its pictures."""
    path = Path(folder) / FILES[name]
    formats.write(labels, path, name)
    if name == "yolo":
        for image in labels.images:
            file = path / "images" / image.name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", image.size[::-1]).save(file)
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_told_by_its_content(name, cats, tmp_path):
    path = write_as(name, cats, tmp_path)
    assert formats.detect(path) == name
    assert len(formats.read(path).people) == 2


COORDINATE = st.floats(0.25, 30, width=32)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE, st.sampled_from([0, 1, 2])), min_size=3, max_size=3)


PERSON = st.tuples(POINTS, st.none() | st.floats(20, 32, width=32))
PICTURES = st.lists(st.tuples(st.booleans(), st.lists(PERSON, max_size=2)), min_size=1, max_size=3)


def labels_of(drawn):
    """Pictures of 32 x 31 pixels; in the first, one person with all keypoints, so that every format lists them."""
    images, people = [], [formats.LabelledPerson(0, ((1.0, 2.0, 2), (3.0, 4.0, 2), (5.0, 6.0, 1)), name="c")]
    for n, (named, own) in enumerate(drawn):
        images.append(formats.LabelledImage(f"shots/{n}/p.png", (31, 32)))
        for who, (points, right) in enumerate(own):
            points = tuple(point if point[2] else formats.UNLABELLED for point in points)
            if any(point[2] for point in points):
                box = None if right is None else (0.5, 1.0, right, 30.5)
                people.append(formats.LabelledPerson(n, points, box, name="ab"[who] if named else ""))
    names, pairs = ("nose", "left_paw", "right_paw"), (("left_paw", "right_paw"),)
    return formats.Annotations(tuple(images), tuple(people), names, ((0, 1),), pairs, ("cat",))


def key(person):
    return (person.image, person.name, [round(value, 2) for point in person.points for value in point])


def assert_same(before, after, names, boxes, flags):
    """The same labels to a thousandth of a pixel, as far as the format holds them."""
    order = [after.keypoints.index(name) for name in before.keypoints]
    found = [replace(person, points=tuple(person.points[k] for k in order)) for person in after.people]
    assert [image.name for image in after.images] == [image.name for image in before.images]
    assert len(found) == len(before.people)
    anonymous = [replace(person, name="") for person in before.people]
    for one, two in zip(
        sorted(before.people if names else anonymous, key=key),
        sorted(found if names else [replace(person, name="") for person in found], key=key),
        strict=True,
    ):
        assert (one.image, one.name) == (two.image, two.name)
        for (x, y, v), (x2, y2, v2) in zip(one.points, two.points, strict=True):
            assert math.dist((x, y), (x2, y2)) < 1e-3
            assert v2 == (v if flags else 2 * (v > 0))
        if boxes and one.box_xyxy is not None:
            assert two.box_xyxy == pytest.approx(one.box_xyxy, abs=1e-3)


def kept(name, labels):
    """What of the labels each format holds: names, boxes, flags."""
    all_named = all(person.name for person in labels.people)
    return {
        "coco": (True, True, True),
        "csv": (all_named, True, True),
        "yolo": (False, True, True),
        "dlc": (all_named, False, False),
        "label-studio": (False, True, True),
    }[name]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=PICTURES)
def test_nothing_is_lost_that_a_format_holds(name, drawn):
    labels = labels_of(drawn)
    with tempfile.TemporaryDirectory() as folder:
        there = formats.read(write_as(name, labels, folder), name)
        assert_same(labels, there, *kept(name, labels))
        # and through COCO and back nothing more
        formats.write(there, Path(folder) / "middle.json", "coco")
        middle = formats.read(Path(folder) / "middle.json")
        if name in ("coco", "csv", "dlc"):
            assert_same(there, middle, True, True, True)
            formats.write(middle, Path(folder) / "again" / FILES[name], name)
            back = formats.read(Path(folder) / "again" / FILES[name], name)
            assert_same(there, back, True, name != "dlc", True)


BAD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.just(10**400), st.floats(), st.text(max_size=5), st.just("../x"),
    st.lists(st.integers(0, 3), max_size=4), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def spots(content, path=()):
    yield path
    steps = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, value in steps:
        yield from spots(value, (*path, step))


def put(content, path, value):
    """A copy with something else at one place."""
    if not path:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = put(content[path[0]], path[1:], value)
    return copy


def read_or_refuse(path, name):
    for form in (name, "auto"):
        with contextlib.suppress(InputError):
            assert formats.read(path, form).keypoints


@pytest.mark.parametrize("name", ["coco", "label-studio", "yolo"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_structure_with_anything_anywhere_is_read_or_refused(name, data, cats, tmp_path):
    path = tmp_path / FILES[name]
    if not path.exists():
        write_as(name, cats, tmp_path)
    file = path / "data.yaml" if name == "yolo" else path
    original = tmp_path / "original"
    if not original.exists():
        original.write_text(file.read_text())
    content = yaml.safe_load(original.read_text()) if name == "yolo" else json.loads(original.read_text())
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(list(spots(content))))
        content = put(content, place, data.draw(BAD))
    file.write_text(yaml.safe_dump(content) if name == "yolo" else json.dumps(content))
    read_or_refuse(file, name)


@pytest.mark.parametrize("name", ["csv", "dlc", "yolo", "coco"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_text_with_anything_anywhere_is_read_or_refused(name, data, cats, tmp_path):
    path = tmp_path / FILES[name]
    if not path.exists():
        write_as(name, cats, tmp_path)
    file = path / "labels/a.txt" if name == "yolo" else path
    original = tmp_path / "original"
    if not original.exists():
        original.write_bytes(file.read_bytes())
    content = original.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.sampled_from([0, 1, 3, 20]))
    new = data.draw(
        st.sampled_from([b"", b",", b"\n", b'"', b"\xff", b"\0", b"nan", b"1e999", b"-7", b" ", b"x", b"0"])
    )
    file.write_bytes(content[:start] + new + content[start + length :])
    read_or_refuse(path, name)


def test_pictures_must_be_there_and_of_the_size_that_was_labelled(cats, pictures, tmp_path):
    formats.write(cats, tmp_path / "cats.json", "coco")
    assert formats.read(tmp_path / "cats.json", images=pictures).images[1].size == (50, 40)
    formats.write(cats, tmp_path / "cats.csv", "csv")
    assert formats.read(tmp_path / "cats.csv", images=pictures).images[0].size == (100, 200)
    Image.new("RGB", (41, 50)).save(pictures / "b.png")
    with pytest.raises(InputError, match=r"b.png to be 40 x 50 pixels .* found 41 x 50"):
        formats.read(tmp_path / "cats.json", images=pictures)
    (pictures / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"expected a picture at .*b.png, found: no picture"):
        formats.read(tmp_path / "cats.csv", images=pictures)
    (pictures / "b.png").unlink()
    with pytest.raises(InputError, match=r"expected all 2 labelled pictures in .*, found 1, not b.png"):
        formats.read(tmp_path / "cats.csv", images=pictures)
    with pytest.raises(InputError, match="expected a folder of pictures"):
        formats.read(tmp_path / "cats.csv", images=tmp_path / "cats.csv")


def test_a_turned_picture_is_said(cats, pictures, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 50)).save(pictures / "b.png", exif=exif)
    (note,) = formats.with_sizes(cats, pictures).notes
    assert note.startswith("that 1 pictures ask viewers to turn them")


def test_boxes_are_the_hull_and_some_more():
    assert formats.hull_box([(100.0, 50.0), (140.0, 70.0)], None) == (94.0, 44.0, 146.0, 76.0)  # 15 % of 40
    assert formats.hull_box([(10.0, 3.0)], (100, 12)) == (6.0, 0.0, 12.0, 7.0)  # 4 pixels, cut to the picture
    assert formats.hull_box([(-50.0, -50.0)], (100, 12)) == (-54.0, -54.0, -46.0, -46.0)
    assert BOX_TO_AREA == geometry.BOX_TO_AREA == 0.53


def test_what_fits_is_left_alone(cats):
    same, losses = fits(cats)
    assert losses == []
    assert [person.points for person in same.people] == [person.points for person in cats.people]


def test_a_skeleton_orders_the_keypoints(cats):
    from poserior.skeletons import guess

    other = guess("cat", ["Right Paw", "nose", "left-paw"])
    found = formats.as_skeleton(cats, other)
    assert found.people[1].points == ((140.0, 80.0, 2), (120.0, 30.0, 2), (160.0, 70.0, 2))
    assert found.keypoints == other.keypoints
    with pytest.raises(InputError, match=r"expected the 2 keypoints of skeleton 'd' \(nose, tail\), found 3"):
        formats.as_skeleton(cats, guess("d", ["nose", "tail"]))


def test_known_keypoints_are_known_however_spelt(cats):
    from poserior import skeletons

    names = tuple(name.replace("_", " ").title() for name in skeletons.load("coco17").keypoints)
    known = formats.known_skeleton(names)
    assert known is not None
    assert known.name == "coco17"
    own = formats.skeleton_of(cats, "cat")
    assert (own.flip_pairs, own.edges, own.oks_sigmas[0]) == ((("left_paw", "right_paw"),), cats.edges, 0.026)


@pytest.mark.parametrize("name", ["labels.txt", "labels.json", "labels.yaml", "folder"])
def test_what_is_no_format_is_refused(name, tmp_path):
    (tmp_path / "labels.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "labels.json").write_text("[]")
    (tmp_path / "labels.yaml").write_text("a: 1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"expected (labels in one of the formats|data.yaml)"):
        formats.read(tmp_path / name)


def test_an_unwritable_place_is_refused(cats, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"expected a folder to write cats.json"):
        formats.write(cats, tmp_path / "file" / "cats.json", "coco")
