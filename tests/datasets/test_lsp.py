import hashlib
import json

import pytest
import torch

from poserior.datasets import Lsp
from poserior.errors import InputError


def test_the_lowest_ninth_of_the_hashes_validates(fake_lsp) -> None:
    train, val = Lsp(fake_lsp, "train"), Lsp(fake_lsp, "val")
    names = sorted((f"im{i:05d}.png" for i in range(1, 28)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {sample.source.rpartition("/")[2] for sample in val} == set(names[:3])
    assert {sample.source.rpartition("/")[2] for sample in train} == set(names[3:])
    assert val.skeleton.name == "lsp14"
    assert {image["file_name"] for image in val.coco_dict()["images"]} == set(names[:3])
    assert {a["id"] for a in val.coco_dict()["annotations"]} == {sample.annotation_id for sample in val}
    for sample in val:  # picture and person still belong together
        assert sample.annotation_id == 100 + sample.image_id
        assert sample.source.endswith(f"im{sample.image_id + 1:05d}.png")
    assert val[0].keypoints[3].tolist() == [3.5, 4.5]


def test_an_unknown_split_and_an_empty_folder(fake_lsp, tmp_path) -> None:
    with pytest.raises(InputError, match=r"annotations\.json"):
        Lsp(tmp_path / "nothing")
    (fake_lsp / "images.tar").unlink()
    with pytest.raises(InputError, match=r"images\.tar"):
        Lsp(fake_lsp)


def test_the_real_set(real_data) -> None:
    root = real_data("lspet")
    train, val = Lsp(root, "train"), Lsp(root, "val")
    assert (len(train), len(val)) == (8000, 1000)
    trained = {str(name) for name in train.pictures.names}
    assert not trained & {str(name) for name in val.pictures.names}
    raw = {a["id"]: a for a in json.loads((root / "annotations.json").read_text())["annotations"]}
    sample = val[17]
    truth = torch.tensor(raw[sample.annotation_id]["keypoints"], dtype=torch.float32).reshape(14, 3)
    expected = torch.where(truth[:, 2:] > 0, truth[:, :2] + 0.5, 0.0)
    torch.testing.assert_close(sample.keypoints, expected)
    assert sample.visibility.tolist() == truth[:, 2].long().tolist()
    assert sample.image.shape[0] <= 192
