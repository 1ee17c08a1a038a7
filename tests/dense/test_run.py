import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from poserior.dense.evaluate import evaluate_dense
from poserior.dense.losses import LossWeights
from poserior.dense.run import train
from poserior.dense.spec import load_dense
from poserior.errors import InputError
from poserior.loading import is_dense
from poserior.training import Budget, Checkpoint, Loader, Optimiser


def log(folder):
    return list(csv.DictReader((folder / "log.csv").read_text(encoding="utf-8").splitlines()))


def same(ours, theirs):
    ours, theirs = load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0)


def test_four_pictures_are_learnt_by_heart(corners, small, tmp_path):
    class Again(corners):
        def __getitem__(self, index):
            return super().__getitem__(index % 4)

    config = small(
        backbone={"class_path": "Upsampled", "init_args": {"name": "test_resnet", "channels": 24}},
        loss_weights=LossWeights(density=1.0),
        budget=Budget(epochs=4),
        loader=Loader(batch_size=4, workers=0, augment=False),
        optimiser=Optimiser(lr=5e-3, warmup=5),
    )
    folder = train(config, tmp_path / "run", data=(Again(60), corners(4)), progress=False)
    first, last = log(folder)[0], log(folder)[-1]
    assert float(last["train_loss"]) < 0.85 * float(first["train_loss"])
    assert float(last["val_centre"]) < 0.5 * float(first["val_centre"])
    assert float(last["val_nll"]) < float(first["val_nll"]) - 0.5
    model, spec = load_dense(folder)
    found = evaluate_dense(model, spec, corners(4), progress=False)
    assert found["boxes"]["AP50"] > 0.5
    assert found["objects"] == 6


def test_the_folder(corners, small, tmp_path):
    config = small(refine=True, optimiser=Optimiser(lr=3e-3, warmup=2, ema=0.9))
    folder = train(config, tmp_path / "run", data=(corners(5), corners(3)), progress=False)
    names = {"README.txt", "config.yaml", "last.ckpt", "log.csv", "model.safetensors", "model.yaml", "run.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert is_dense(folder)
    parts = ["loss", "centre", "offset", "density", "size", "keypoint_heat", "keypoint_offset", "nll"]
    assert list(log(folder)[0]) == ["epoch", "step", "minutes", "lr", "train_loss", *(f"val_{name}" for name in parts)]
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert facts["skeleton"] == "corners"
    assert facts["data"]["train"] == {"class": "Corners", "pictures": 5}
    assert load_dense(folder)[1].categories == ("square",)
    with pytest.raises(InputError, match="found a run in"):
        train(config, folder, data=(corners(5), corners(3)), progress=False)


class Stop(RuntimeError):
    pass


@pytest.mark.parametrize("looks", [5, 11])
def test_interrupted_and_resumed_it_ends_the_same(squares, small, tmp_path, looks):
    config = small(
        budget=Budget(epochs=3),
        loader=Loader(batch_size=2, workers=0),
        optimiser=Optimiser(lr=3e-3, warmup=2, ema=0.9),
        checkpoint=Checkpoint(steps=1, minutes=None),
    )

    class Stopping(squares):
        left = looks

        def __getitem__(self, index):
            self.left -= 1
            if self.left < 0:
                raise Stop
            return super().__getitem__(index)

    whole = train(config, tmp_path / "whole", data=(squares(6), squares(2, 1)), progress=False)
    with pytest.raises(Stop):
        train(config, tmp_path / "cut", data=(Stopping(6), squares(2, 1)), progress=False)
    cut = train(config, tmp_path / "cut", resume=True, data=(squares(6), squares(2, 1)), progress=False)
    same(whole, cut)
    drop = ("minutes",)
    assert [{k: v for k, v in row.items() if k not in drop} for row in log(whole)] == [
        {k: v for k, v in row.items() if k not in drop} for row in log(cut)
    ]


def test_pictures_without_a_single_object(corners, small, tmp_path):
    folder = train(
        small(refine=True), tmp_path / "run", data=(corners(4, empty=True), corners(2, empty=True)), progress=False
    )
    row = log(folder)[-1]
    assert float(row["val_density"]) == float(row["val_offset"]) == 0
    assert row["val_nll"] == ""
    assert all(bool(value.isfinite().all()) for value in load_file(folder / "model.safetensors").values())


def test_a_learning_rate_that_explodes(squares, small, tmp_path):
    config = small(optimiser=Optimiser(lr=1e30, warmup=0), budget=Budget(epochs=5))
    with pytest.raises(InputError, match=r"2 pictures, so that training itself has diverged; lower optimiser.lr"):
        train(config, tmp_path / "run", data=(squares(4), None), progress=False)
    (found,) = (tmp_path / "run" / "broken").iterdir()
    record = json.loads((found / "pictures.json").read_text(encoding="utf-8"))
    assert {entry["image_id"] for entry in record["pictures"]} <= {0, 1, 2, 3}
    assert (found / "before.ckpt").exists()
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"head": {"class_path": "Dense", "init_args": {}}}, "expected a head of poserior.dense.heads .*found 'Dense'"),
        (
            {"head": {"class_path": "DenseMixture", "init_args": {"components": 11}}},
            "expected 1 to 10 components, found 11",
        ),
        ({"backbone": {"class_path": "Hourglass", "init_args": {}}}, "expected a backbone .* found 'Hourglass'"),
        ({"image_size": (60, 96)}, "expected an image_size in multiples of 32"),
        ({"refine": True}, "expected a skeleton with refine, found none"),
    ],
)
def test_bad_configurations(squares, small, tmp_path, parts, text):
    with pytest.raises(InputError, match=text) as error:
        train(small(**parts), tmp_path / "run", data=(squares(2), None), progress=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_other_data_sets(squares, corners, small, tmp_path):
    with pytest.raises(InputError, match="empty training set"):
        train(small(), tmp_path / "run", data=(squares(0), None), progress=False)
    with pytest.raises(InputError, match="one list of categories"):
        train(small(), tmp_path / "run", data=(squares(2), corners(2)), progress=False)
    with pytest.raises(InputError, match="expected train_data to learn from"):
        train(small(train_data=None), tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=r"expected a usable train_data, found .*'KeypointDataset'"):
        train(small(train_data={"class_path": "KeypointDataset", "init_args": {}}), tmp_path / "run", progress=False)


def test_boxes_of_people_and_a_warm_start(corners, small, tmp_path):
    config = small(budget=Budget(epochs=1), boxes_only=True)
    folder = train(config, tmp_path / "boxes", data=(corners(2), corners(2)), progress=False)
    model, spec = load_dense(folder)
    assert spec.skeleton is None
    assert model.num_keypoints == 0
    # a pose network from the box network's backbone, not moved by its single step of a vanishing rate
    still = small(budget=Budget(epochs=1), warm_start=str(folder), optimiser=Optimiser(lr=1e-12, warmup=0))
    other, _ = load_dense(train(still, tmp_path / "poses", data=(corners(2), None), progress=False))
    for name, value in model.backbone.named_parameters():
        torch.testing.assert_close(other.backbone.get_parameter(name), value, atol=1e-8, rtol=0)
    wide = small(warm_start=str(folder), backbone={"class_path": "Upsampled", "init_args": {"name": "test_resnet"}})
    with pytest.raises(InputError, match="expected the same backbone in warm_start folder"):
        train(wide, tmp_path / "wide", data=(corners(2), None), progress=False)
