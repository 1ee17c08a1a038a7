import pytest

from poserior import formats
from poserior.errors import InputError

WIDE = """image,person,bbox_x,bbox_y,bbox_width,bbox_height,nose_x,nose_y,nose_v,left_paw_x,left_paw_y,left_paw_v
a.png,tom,10,20,60,70,19.5,29.5,2,60,69.75,1
a.png,kit,,,,,119.5,29.5,,,,
b.png,,,,,,,,,,,
"""
LONG = """image;person;keypoint;x;y;v
a.png;tom;nose;19.5;29.5;2
a.png;tom;left_paw;60;69.75;1
a.png;kit;nose;119.5;29.5;
b.png;;;;;
"""


@pytest.mark.parametrize("text", [WIDE, LONG, "\ufeff" + WIDE.replace("\n", "\r\n"), LONG.replace(";", "\t")])
def test_wide_and_long_say_the_same(write, text):
    found = formats.read(write("labels.csv", text))
    tom, kit = found.people
    assert tom.points == ((20.0, 30.0, 2), (60.5, 70.25, 1))
    assert kit.points == ((120.0, 30.0, 2), formats.UNLABELLED)  # without a flag, what is placed is visible
    assert (tom.name, kit.name, kit.box_xyxy) == ("tom", "kit", None)
    assert tom.box_xyxy == ((10.0, 20.0, 70.0, 90.0) if "bbox_x" in text else None)
    assert [image.name for image in found.images] == ["a.png", "b.png"]
    assert found.keypoints == ("nose", "left_paw")


def test_two_lines_without_a_person_column_are_two_people(write):
    found = formats.read(write("labels.csv", "image,nose_x,nose_y\na.png,1,2\na.png,3,4\n"))
    assert [person.points for person in found.people] == [((1.5, 2.5, 2),), ((3.5, 4.5, 2),)]


def test_the_table_that_is_written(cats, tmp_path):
    formats.write(cats, tmp_path / "cats.csv", "csv")
    lines = (tmp_path / "cats.csv").read_text().splitlines()
    assert lines[1] == "a.png,tom,10,20,60,70,19.5,29.5,2,60,69.75,1,,,0"
    assert lines[3] == "b.png" + "," * 14
    assert formats.lost(cats, "csv") == ["the pictures' sizes", "edges"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "found an empty file"),
        ("image,nose_x,nose_y,colour\n", "line 1, found 'colour'; rename"),
        ("image,nose_x\n", "line 1, found no 'nose_y'"),
        ("image,nose_x,nose_y,bbox_x\n", "found no 'bbox_y'"),
        ("image,nose_x,nose_y,nose_x\n", "'nose_x' twice"),
        ("file,nose_x,nose_y\n", "column 'image'"),
        ("image\na.png\n", "found no <keypoint>_x"),
        ("image,nose_x,nose_y\n", "at least one labelled picture"),
        ("image,nose_x,nose_y\na.png,1\n", "expected 3 cells in .*, line 2, found 2"),
        ("image,nose_x,nose_y\na.png,1,2\nb.png,1,nan\n", "finite number in .*, line 3, nose, found nan"),
        ("image,nose_x,nose_y\na.png,1,\n", "finite number in .*, line 2, nose, found ''"),
        ("image,nose_x,nose_y\na.png,1,one\n", "found 'one'"),
        ("image,nose_x,nose_y,nose_v\na.png,1,2,5\n", "visibility of 0, 1 or 2 in .*, line 2, nose, found '5'"),
        ("image,nose_x,nose_y,nose_v\na.png,,,2\n", "finite number in .*, line 2"),
        ("image,nose_x,nose_y\n../a.png,1,2\n", "path inside the image folder in .*, line 2"),
        ("image,person,nose_x,nose_y\na.png,p,1,2\na.png,p,1,2\n", "'p' again in .*, line 3"),
        ("image,keypoint,x,y\na.png,nose,1,2\na.png,nose,3,4\n", "'nose' again in .*, line 3"),
        ("image,keypoint,x,z\n", "line 1, found 'z'"),
        ("image,keypoint,x,y\n", "at least one keypoint"),
        ('image,nose_x,nose_y\n"a.png,1,2\n', "expected a table in .*, line 2"),
        ("image,bbox_x,bbox_y,bbox_width,bbox_height,n_x,n_y\na.png,1,1,0,4,1,2\n", "positive width .* line 2"),
    ],
)
def test_bad_tables_are_named(write, text, says):
    with pytest.raises(InputError, match=says):
        formats.read(write("labels.csv", text), "csv")
