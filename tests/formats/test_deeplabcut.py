import pytest

from poserior import formats
from poserior.errors import InputError

ONE = """scorer,me,me,me,me
bodyparts,nose,nose,paw,paw
coords,x,y,x,y
labeled-data/run/img1.png,19.5,29.5,60,69.75
labeled-data/run/img2.png,,,1,2
labeled-data/run/img3.png,,,,
"""
SEVERAL = """scorer,,,me,me,me,me,me,me
individuals,,,tom,tom,kit,kit,single,single
bodyparts,,,nose,nose,nose,nose,lamp,lamp
coords,,,x,y,x,y,x,y
labeled-data,run,img1.png,19.5,29.5,1,2,7,7
labeled-data,run,img2.png,,,3,4,,
"""


def test_one_animal_with_the_path_in_one_column(write):
    found = formats.read(write("CollectedData_me.csv", ONE))
    assert [(person.image, person.points) for person in found.people] == [
        (0, ((20.0, 30.0, 2), (60.5, 70.25, 2))),
        (1, (formats.UNLABELLED, (1.5, 2.5, 2))),
    ]
    assert [image.name for image in found.images] == [f"labeled-data/run/img{n}.png" for n in (1, 2, 3)]
    assert found.keypoints == ("nose", "paw")


def test_several_animals_with_the_path_in_three_columns(write):
    found = formats.read(write("CollectedData_me.csv", SEVERAL))
    assert [(person.image, person.name, person.points) for person in found.people] == [
        (0, "tom", ((20.0, 30.0, 2),)),
        (0, "kit", ((1.5, 2.5, 2),)),
        (1, "kit", ((3.5, 4.5, 2),)),
    ]
    assert found.notes == ("the points of 'single', which are no animal's",)


def test_a_project_is_all_its_tables(write, tmp_path):
    write("project/labeled-data/a/CollectedData_me.csv", ONE.replace("run", "a"))
    swapped = ONE.replace("run", "b").replace("nose,nose,paw,paw", "paw,paw,nose,nose")
    write("project/labeled-data/b/CollectedData_me.csv", swapped)
    found = formats.read(tmp_path / "project")
    assert (len(found.images), found.people[2].image) == (6, 3)
    assert found.people[2].points == ((60.5, 70.25, 2), (20.0, 30.0, 2))  # by name, not by column
    write("project/labeled-data/c/CollectedData_me.csv", ONE.replace("paw", "tail"))
    with pytest.raises(InputError, match="the same bodyparts in all tables"):
        formats.read(tmp_path / "project")


def test_the_table_that_is_written(cats, tmp_path):
    formats.write(cats, tmp_path / "cats.csv", "dlc")
    lines = (tmp_path / "cats.csv").read_text().splitlines()
    assert lines[0].split(",")[:2] == ["scorer", "poserior"]
    assert lines[1] == "individuals," + ",".join(["tom"] * 6 + ["kit"] * 6)
    assert lines[4] == "a.png,19.5,29.5,60,69.75,,,119.5,29.5,159.5,69.5,139.5,79.5"
    assert formats.lost(cats, "dlc") == ["boxes", "which keypoints are hidden", "the pictures' sizes", "edges"]


def test_three_columns_where_the_paths_have_three_parts(write, tmp_path):
    formats.write(formats.read(write("CollectedData_me.csv", ONE)), tmp_path / "again.csv", "dlc")
    lines = (tmp_path / "again.csv").read_text().splitlines()
    assert lines[1] == "bodyparts,,,nose,nose,paw,paw"
    assert lines[3] == "labeled-data,run,img1.png,19.5,29.5,60,69.75"
    assert formats.read(tmp_path / "again.csv") == formats.read(tmp_path / "CollectedData_me.csv")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("bodyparts", "parts", r"rows scorer, \[individuals\], bodyparts, coords at the top"),
        (",69.75", "", "expected 5 cells in .*, line 4, found 4"),
        ("19.5", "inf", "finite number in .*, line 4, nose, found inf"),
        ("19.5", "", "finite number in .*, line 4, nose, found ''"),
        ("x,y,x,y", "x,y,x,likelihood", "found predictions"),
        ("x,y,x,y", "x,y,x,x", "one x and one y"),
        ("nose,nose,paw,paw", "nose,nose,nose,nose", "one x and one y"),
        ("x,y,x,y", "x,y,x", "header rows of one length"),
        ("labeled-data/run/img2", "../img2", "path inside the image folder in .*, line 5"),
        ("img2", "img1", "every picture once, found 'labeled-data/run/img1.png' twice"),
    ],
)
def test_bad_tables_are_named(write, old, new, says):
    with pytest.raises(InputError, match=says):
        formats.read(write("CollectedData_me.csv", ONE.replace(old, new, 1)), "dlc")


def test_hdf5_is_refused_with_advice(tmp_path):
    (tmp_path / "CollectedData_me.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(InputError, match=r"found HDF5; give the .csv that DeepLabCut writes"):
        formats.read(tmp_path / "CollectedData_me.h5")
