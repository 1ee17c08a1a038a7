import json
import pickle
import tarfile

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from poserior.cli import main
from poserior.datasets import CocoKeypoints, FaceKeypoints, Shards, write_shards
from poserior.errors import InputError
from poserior.skeletons import Skeleton


def same(one, other):
    """Two samples, field by field, without any tolerance."""
    for field in ("image", "keypoints", "visibility", "box_xyxy"):
        a, b = getattr(one, field), getattr(other, field)
        assert a.dtype == b.dtype
        assert torch.equal(a, b), field
    for field in ("area", "skeleton", "image_id", "annotation_id", "score", "crop", "flipped", "head_size"):
        assert getattr(one, field) == getattr(other, field), field


@pytest.fixture
def coco(fake_coco):
    return CocoKeypoints(fake_coco.annotations, fake_coco.images)


@pytest.mark.parametrize("per_shard", [1, 2, 7])
def test_the_samples_are_the_same(coco, tmp_path, per_shard):
    shards = Shards(write_shards(coco, tmp_path / "shards", per_shard))
    assert len(list((tmp_path / "shards").glob("*.tar"))) == -(-2 // per_shard)
    assert len(shards) == len(coco) == 2
    for index in (1, 0, -1):
        same(shards[index], coco[index])
        assert shards.image_id(index) == shards[index].image_id == coco.image_id(index)
    assert shards.coco_dict() == coco.coco_dict()


def test_webdataset_layout_with_the_bytes_unchanged(coco, fake_coco, tmp_path):
    write_shards(coco, tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "shards-000000.tar") as archive:
        assert archive.getnames() == ["000000.png", "000000.json", "000001.png", "000001.json"]
        assert archive.extractfile("000000.png").read() == (fake_coco.images / "a.png").read_bytes()
        labels = json.loads(archive.extractfile("000001.json").read())
    assert (labels["image_id"], labels["file_name"], labels["image_size"]) == (20, "b.png", [60, 30])
    assert [person["id"] for person in labels["people"]] == [2, 3]
    assert labels["people"][0]["keypoints"][0] == [3.5, 4.5]  # continuous pixels: COCO's 3, 4


def test_other_skeletons_ids_and_constants_survive(fake_faces, tmp_path):
    faces = FaceKeypoints(fake_faces, "train")
    exact = tuple(sigma * (1 + 1e-9) for sigma in faces.skeleton.oks_sigmas)
    faces.skeleton = Skeleton(
        faces.skeleton.name, faces.skeleton.keypoints, faces.skeleton.edges, faces.skeleton.flip_pairs, exact
    )
    shards = Shards(write_shards(faces, tmp_path / "shards", 2))
    assert len(shards) == 3
    for index in range(3):
        same(shards[index], faces[index])


def test_any_number_of_processes_reads_them(coco, tmp_path):
    shards = Shards(write_shards(coco, tmp_path / "shards", 1))
    before = shards[0]  # the map is open before the fork
    same(pickle.loads(pickle.dumps(shards))[0], before)
    loaded = list(DataLoader(shards, batch_size=None, num_workers=2))
    for index, sample in enumerate(loaded):
        same(sample, coco[index])


def test_many_shards_keep_few_files_open(coco, tmp_path, monkeypatch):
    monkeypatch.setattr("poserior.datasets.shards._OPEN", 1)
    shards = Shards(write_shards(coco, tmp_path / "shards", 1))
    for index in (0, 1, 0, 1):
        same(shards[index], coco[index])
    assert len(shards.images._maps) == 1


def test_a_stale_index_is_refused(coco, fake_coco, picture, tmp_path):
    folder = write_shards(coco, tmp_path / "shards", 1)
    picture(fake_coco.images / "a.png", 41, 50, 5)  # another file of another length
    other = write_shards(coco, tmp_path / "other", 1)
    (other / "shards-000000.tar").replace(folder / "shards-000000.tar")
    with pytest.raises(InputError, match=r"expected 000000\.(json|png) of \d+ bytes .* write the shards anew"):
        Shards(folder)[0]


def test_a_cut_tar_is_refused(coco, tmp_path):
    folder = write_shards(coco, tmp_path / "shards")
    tar = folder / "shards-000000.tar"
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"found that it speaks of byte \d+ of 2000"):
        Shards(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("shards-000000.idx", b"", "its index shards-000000.idx"),
        ("shards-000000.tar", None, "No such file"),
        ("shards.json", b"{}", "expected num_shards, num_people and category"),
        ("shards.json", None, "readable JSON"),
        ("skeleton.yaml", b"name: x", "skeleton"),
    ],
)
def test_missing_and_broken_files(coco, tmp_path, name, content, words):
    path = write_shards(coco, tmp_path / "shards") / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        Shards(path.parent)


def test_an_index_that_would_unpickle_is_refused(coco, tmp_path):
    folder = write_shards(coco, tmp_path / "shards")
    with (folder / "shards-000000.idx").open("wb") as file:
        np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="index"):
        Shards(folder)


def test_half_written_shards_are_no_shards(coco, tmp_path, monkeypatch):
    def fail(stored):
        raise InputError("gone")

    monkeypatch.setattr(coco.images, "read", fail)
    with pytest.raises(InputError, match="gone"):
        write_shards(coco, tmp_path / "shards")
    assert list((tmp_path / "shards").iterdir()) == []


def test_shards_are_not_written_over(coco, tmp_path):
    write_shards(coco, tmp_path / "shards")
    with pytest.raises(InputError, match="expected a folder without shards"):
        write_shards(coco, tmp_path / "shards")
    with pytest.raises(InputError, match="at least 1 picture"):
        write_shards(coco, tmp_path / "more", 0)


def test_the_verb(fake_coco, tmp_path, capsys):
    words = ["shard", "--annotations", fake_coco.annotations, "--images", fake_coco.images, "--category", "person"]
    assert main([*map(str, words), "--output", str(tmp_path / "shards"), "--per-shard", "1"]) == 0
    assert f"2 people are in {tmp_path / 'shards'}" in capsys.readouterr().out
    assert len(Shards(tmp_path / "shards")) == 2


def test_real_pictures(tmp_path, real_data):
    root = real_data("coco_images")
    coco = CocoKeypoints(root / "annotations.json", root / "images.tar")
    shards = Shards(write_shards(coco, tmp_path / "shards", 50))
    assert len(shards) == len(coco) == 393
    for index in range(0, 393, 9):
        same(shards[index], coco[index])
