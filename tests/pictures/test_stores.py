"""Files by name in a folder, a tar and a zip: what is found, what is read, and what is refused."""

import pickle
import tarfile
import zipfile

import pytest

from poserior.errors import InputError
from poserior.pictures import CorruptImageError, Images, open_images

FILES = {"a.png": b"one", "x/same.png": b"two", "y/same.png": b"three", "x/deep/only.jpg": b"four"}


@pytest.fixture(params=["folder", "tar", "zip"])
def store(request, tmp_path):
    """The same four files, stored in three ways."""
    folder = tmp_path / "images"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if request.param == "tar":
        with tarfile.open(tmp_path / "images.tar", "w") as archive:
            archive.add(folder, "./")
    if request.param == "zip":
        with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in FILES:
                archive.write(folder / name, name)
    return open_images(folder if request.param == "folder" else tmp_path / f"images.{request.param}")


def test_names_bytes_and_what_is_not_there(store):
    assert isinstance(store, Images)
    assert sorted(name.removeprefix("./") for name in store.names()) == sorted(FILES)
    for name, data in FILES.items():
        assert store.read(store.find(name)) == data
    assert store.find("b.png") is None
    assert store.read(store.find("elsewhere/a.png")) == b"one"  # by its last part
    assert store.find("same.png") is None  # two are called so
    assert store.find("./x//same.png") == store.find("x/same.png")


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "x/../../a.png", "..\\a.png", "C:\\a.png", "", "a\0.png"])
def test_no_name_leads_out(store, name):
    with pytest.raises(InputError, match="inside the image folder"):
        store.find(name)


def test_copies_read_the_same(store):
    store.find("a.png")
    again = pickle.loads(pickle.dumps(store))
    assert {name: again.read(again.find(name)) for name in FILES} == FILES


def test_what_is_no_store(tmp_path):
    with pytest.raises(InputError, match="found nothing at"):
        open_images(tmp_path / "nowhere")
    (tmp_path / "a.png").write_bytes(b"picture")
    with tarfile.open(tmp_path / "images.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.png", "a.png")
    with pytest.raises(InputError, match=r"uncompressed \.tar.*images\.tar\.gz"):
        open_images(tmp_path / "images.tar.gz")
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for n in range(4):
            archive.add(tmp_path / "a.png", f"{n}.png")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:1300])
    with pytest.raises(InputError, match=r"could not read .*cut\.tar"):
        open_images(tmp_path / "cut.tar")


def test_files_that_are_gone_or_broken(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"one" * 50)
    store = open_images(tmp_path / "images")
    place = store.find("a.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(tmp_path / "images" / "a.png", "a.png")
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(InputError, match=r"expected an image at .*a\.png, found none that can be read"):
        store.read(place)
    data = (tmp_path / "images.zip").read_bytes()
    (tmp_path / "images.zip").write_bytes(data.replace(b"oneone", b"onetwo", 1))
    packed = open_images(tmp_path / "images.zip")
    with pytest.raises(CorruptImageError, match=r"a\.png, could not unpack it"):
        packed.read(packed.find("a.png"))
