import math
from dataclasses import replace

import lightning.pytorch as pl
import pytest
import torch

from poserior.dense.data import BoxesOnly, SceneData, part_of
from poserior.dense.model import DenseModel
from poserior.dense.module import DenseModule, label_nll, object_nll, pictures
from poserior.dense.run import dense_spec
from poserior.dense.spec import build_dense
from poserior.distributions import Laplace, PoseGaussianMixture
from poserior.errors import InputError
from poserior.training import Budget, Loader, Optimiser
from poserior.training.quiet import quiet


@pytest.fixture
def built(small):
    def build(data, **parts) -> DenseModel:
        torch.manual_seed(0)
        return build_dense(dense_spec(small(**parts), data))

    return build


def data_of(train, val=None, **loader) -> SceneData:
    return SceneData(train, val, (64, 96), Loader(**{"batch_size": 3, "workers": 0, "augment": False, **loader}))


def test_an_object_by_hand():
    law = Laplace(torch.zeros(1, 3, 2), torch.ones(1, 3, 2))
    points = torch.tensor([[[1.0, 2.0], [float("nan"), 7.0], [0.0, -0.5]]])
    labelled = torch.tensor([[True, False, True]])
    # -log of a Laplace density of scale b: log 2b + |x| / b; b is 1 / sqrt 2 for unit standard deviation or 1
    scale = float(-law.log_prob(torch.zeros(1, 3, 2))[0, 0] / 2)
    b = math.exp(scale) / 2
    assert object_nll(law, points, labelled).tolist() == pytest.approx([4 * math.log(2 * b) + 3.5 / b])


def test_whole_poses_are_judged_jointly():
    # Two components, far apart: a pose of the first is no mixture of both, keypoint for keypoint.
    loc = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[50.0, 0.0], [50.0, 0.0]]])
    law = PoseGaussianMixture(torch.zeros(1, 2), loc[None], torch.ones(1, 2, 2, 2)).marginals()
    found = object_nll(law, torch.zeros(1, 2, 2), torch.ones(1, 2, dtype=torch.bool))
    assert found.tolist() == pytest.approx([math.log(2) + 2 * math.log(2 * math.pi)])
    apart = -law.log_prob(torch.zeros(1, 2, 2)).sum()
    assert float(apart) == pytest.approx(2 * math.log(2) + 2 * math.log(2 * math.pi))
    assert object_nll(law, torch.zeros(1, 2, 2), torch.zeros(1, 2, dtype=torch.bool)).tolist() == [0.0]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_validation_is_the_mean_over_all_pictures_and_labels(built, corners, batch_size):
    people = corners(5)
    module = DenseModule(built(people, refine=True), Optimiser(warmup=0), Budget(epochs=1))
    batches = data_of(people, people, batch_size=batch_size)
    with quiet():
        trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
        found = trainer.validate(module, datamodule=batches, verbose=False)[0]
    assert set(found) == set(module.columns)
    # by hand: every label in its own cell, one picture after the other
    total, labels, losses = 0.0, 0, []
    module.eval()
    with torch.no_grad():
        for scene in (batches.val[index] for index in range(5)):
            batch = batches.collate([scene])
            target = module.targets(batch)
            maps = module.model(batch.images / 255)
            nll, count = label_nll(module.model, maps[-1], target)
            total, labels = total + float(nll), labels + int(count)
            losses.append({name: float(value) for name, value in module.model.maps_loss(maps, target).items()})
    assert labels == sum(int((people[index].visibility > 0).sum()) for index in range(5)) == 19
    assert found["val_nll"] == pytest.approx(total / labels, rel=1e-5)
    if batch_size == 1:
        for name in module.parts:
            assert found[f"val_{name}"] == pytest.approx(sum(one[name] for one in losses) / 5, rel=1e-5)


def test_every_picture_has_its_own_loss_and_a_bad_one_is_found(built, squares):
    module = DenseModule(built(squares(3)), Optimiser(), Budget())
    batches = data_of(squares(3))
    batch = batches.collate([batches.train[index] for index in range(3)])
    entries = module.losses_by_item(batch)
    assert [entry["image_id"] for entry in entries] == [0, 1, 2]
    assert all(entry["finite"] for entry in entries)
    images = batch.images.float()
    images[1] = float("nan")
    module.eval()  # without statistics over the batch the fault stays with its picture
    assert [entry["finite"] for entry in module.losses_by_item(replace(batch, images=images))] == [True, False, True]


def test_pictures_cuts_everything(built, corners):
    module, batches = DenseModule(built(corners(3)), Optimiser(), Budget()), data_of(corners(3))
    batch = batches.collate([batches.train[index] for index in range(3)])
    one = pictures(batch, 1, 2)
    assert one.image_id == (1,)
    assert one.images.shape == (1, 3, 64, 96)
    torch.testing.assert_close(pictures(module.targets(batch), 1, 2).points, module.targets(one).points)


def test_a_part_of_the_data(squares):
    chosen = part_of(squares(40), 0.25, seed=3)
    ids = [chosen[index].image_id for index in range(len(chosen))]
    assert len(ids) == 10
    assert ids == sorted(set(ids))
    assert ids != [part_of(squares(40), 0.25, seed=4)[index].image_id for index in range(10)]
    assert len(part_of(squares(3), 0.01, seed=0)) == 1


def test_boxes_without_keypoints(corners):
    scene = BoxesOnly(corners(2))[1]
    assert scene.skeleton is None
    assert scene.keypoints.shape == (2, 0, 2)
    torch.testing.assert_close(scene.box_xyxy, corners(2)[1].box_xyxy)


def test_data_that_does_not_go_together(squares, corners):
    with pytest.raises(InputError, match="expected pictures to learn from, found an empty training set"):
        data_of(squares(0))
    with pytest.raises(InputError, match=r"one list of categories .* found 2 \(red, green...\) and 1 \(square...\)"):
        data_of(squares(2), corners(2))
    with pytest.raises(InputError, match="one skeleton for training and validation, found 'corners' and none"):
        data_of(corners(2), BoxesOnly(corners(2)))
