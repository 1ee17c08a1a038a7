from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from poserior.backbones.dense_base import DenseBackbone
from poserior.dense.point_set import (
    AnchorL1,
    AnchorRLE,
    PointLaw,
    PointSetModel,
    anchor_set,
    anchors_nll,
    class_loss,
    draw_near,
)
from poserior.dense.point_set.losses import mean_over_labelled
from poserior.dense.point_set.matching import Matched, match_scene
from poserior.scenes import SceneBatch

SIGMAS = [0.1, 0.1, 0.1]
POSE = torch.tensor([[[0.0, -0.5], [0.25, 0.5], [-0.25, 0.5]]])
Batches = Callable[..., SceneBatch]
Backbones = Callable[..., DenseBackbone]


def build(tiny: Backbones, laws: Sequence[PointLaw] | None = None, **options: Any) -> PointSetModel:
    laws = [AnchorRLE(couplings=2, neurons=8)] * 2 if laws is None else laws
    return PointSetModel(tiny(), anchor_set(POSE, [3.0, 4.5]), laws, SIGMAS, levels=2, channels=16, **options)


def people(count: int) -> torch.Tensor:
    """Two pictures of the anchors' pose, in two sizes."""
    size = torch.tensor([14.0, 30.0])[:, None, None, None]
    return POSE * size + torch.rand(2, count, 1, 2) * torch.tensor([30.0, 12.0]) + 17


def test_logits_are_numbered_as_the_grid_is(tiny: Backbones) -> None:
    model = build(tiny)
    (maps,) = model(torch.rand(2, 3, 48, 64))
    assert maps.grid.shapes == ((12, 16), (6, 8))
    assert maps.grid.strides == (4, 8)
    assert maps.logits.shape == (2, len(maps.grid))
    # the second level's classes, kind 1, row 2, column 5
    number = 2 * 12 * 16 + 6 * 8 + 2 * 8 + 5
    torch.testing.assert_close(maps.logits[:, number], model.classify(maps.levels[1])[:, 1, 2, 5])
    assert maps.logits.sigmoid().mean().item() == pytest.approx(0.01, abs=0.003)


def test_the_first_answer_is_the_anchor_in_picture_pixels(tiny: Backbones) -> None:
    """Offsets start near 0 of an anchor's size, and their spread at a fifth of it."""
    model = build(tiny, [AnchorL1(3)])
    (maps,) = model(torch.rand(1, 3, 48, 64))
    index = torch.tensor([[5, 400]])
    (stage,) = model.at(maps, index)
    places = maps.grid.places(index)
    assert ((stage.in_picture().mode - places.points).abs() < 0.1 * places.size[..., None, None]).all()
    torch.testing.assert_close(stage.in_picture().scale[0, 0], torch.full((3, 2), 0.2 * 12))
    torch.testing.assert_close(stage.in_picture().scale[0, 1], torch.full((3, 2), 0.2 * 24))


def test_the_second_stage_starts_where_the_first_one_ended(tiny: Backbones) -> None:
    model = build(tiny, [AnchorL1(3), AnchorL1(3)])
    (maps,) = model(torch.rand(1, 3, 48, 64))
    first, second = model.at(maps, torch.tensor([[5, 400]]))
    torch.testing.assert_close(second.points, first.in_picture().mode.detach())
    target = torch.rand(1, 2, 3, 2) * 40
    torch.testing.assert_close(second.points + second.target(target) * second.size[..., None, None], target)


@pytest.mark.parametrize("kind", ["rle", "l1"])
def test_a_step_down_the_gradient_lowers_the_loss_and_reaches_everything(
    kind: str, tiny: Backbones, scene_batch: Batches
) -> None:
    laws = [AnchorRLE(couplings=2, neurons=8) if kind == "rle" else AnchorL1(3) for _ in range(2)]
    model, batch = build(tiny, laws, most=500), scene_batch(people(3))
    images = batch.images.float() / 255
    before = model.loss(images, batch)
    before["loss"].backward()
    assert before["class"].item() > 0
    torch.testing.assert_close(before["loss"], before["class"] + before["points"])
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A flow's last coupling leaves one coordinate as it is.
        assert (parameter.grad != 0).any() or "law.flow" in name, name
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-4 * parameter.grad
    assert model.loss(images, batch)["loss"] < before["loss"]


def test_all_stacks_of_the_backbone_are_trained(tiny: Backbones, scene_batch: Batches) -> None:
    batch = scene_batch(people(1))
    images = batch.images.float() / 255
    model = build(tiny, [AnchorL1(3)])
    once = model.eval().loss(images, batch)["class"]
    model.backbone.stacks = 3
    assert len(model(images)) == 3
    torch.testing.assert_close(model.loss(images, batch)["class"], once)


def test_focal_loss_by_hand() -> None:
    """Logits 0: p = 1/2. Two positives, one negative, one that does not count: (2 a + (1 - a)) / 4 log 2 / 2."""
    positive = torch.tensor([[True, True, False, False]])
    counts = torch.tensor([[True, True, True, False]])
    matched = Matched(torch.zeros(1, 4, dtype=torch.long), positive, positive, counts)
    loss = class_loss(torch.zeros(1, 4), matched, alpha=0.25, gamma=2.0)
    expected = (2 * 0.25 + 0.75) * 0.25 * torch.tensor(2.0).log() / 2
    torch.testing.assert_close(loss, expected)


def test_only_near_anchors_are_drawn_and_no_more_than_allowed() -> None:
    near = torch.zeros(3, 50, dtype=torch.bool)
    near[0, :4], near[1, 10:40] = True, True
    matched = Matched(torch.zeros(3, 50, dtype=torch.long), near & False, near, near)
    index, chosen = draw_near(matched, 20)
    assert index.shape == (3, 20)
    assert chosen.sum(1).tolist() == [4, 20, 0]
    assert near.gather(1, index)[chosen].all()
    assert sorted(index[0][chosen[0]].tolist()) == [0, 1, 2, 3]


def test_the_mean_is_over_labelled_keypoints() -> None:
    loss, labelled = torch.tensor([[[1.0, 5.0], [7.0, torch.nan]]]), torch.tensor([[[True, False], [True, False]]])
    assert mean_over_labelled(loss, labelled) == 4
    assert mean_over_labelled(loss, labelled & False) == 0


@pytest.mark.parametrize("kind", ["rle", "l1"])
@pytest.mark.parametrize("what", ["nobody", "no labels", "crowd", "outside", "many", "tiny picture"])
def test_strange_pictures_are_learnt_from_without_harm(
    what: str, kind: str, tiny: Backbones, scene_batch: Batches
) -> None:
    keypoints, size = people(2), (48, 64)
    options: dict[str, torch.Tensor] = {}
    if what == "nobody":
        keypoints, options = torch.zeros(2, 1, 3, 2), {"present": torch.zeros(2, 1, dtype=torch.bool)}
    elif what == "no labels":
        options = {"visibility": torch.zeros(2, 2, 3, dtype=torch.int64), "box_xyxy": torch.rand(2, 2, 4) * 40}
    elif what == "crowd":
        options = {"crowd_xyxy": torch.tensor([[[0.0, 0.0, 64.0, 48.0]]] * 2)}
    elif what == "outside":
        keypoints = keypoints + 1e5
    elif what == "many":
        keypoints = people(900)
    else:
        size, keypoints = (4, 4), keypoints / 20
    batch = scene_batch(keypoints, size=size, **options)
    model = build(tiny, [AnchorRLE(couplings=2, neurons=8) if kind == "rle" else AnchorL1(3)], most=16)
    parts = model.loss(batch.images.float() / 255, batch)
    parts["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    matched = match_scene(model(batch.images.float() / 255)[0].grid, batch, 2 * model.oks_sigmas)
    assert matched.positive.any() == (what in ("crowd", "many", "tiny picture"))
    assert (parts["points"] != 0) == (what in ("crowd", "many", "tiny picture"))
    if what == "no labels":
        assert not matched.counts.all()
    if what == "crowd":
        assert torch.equal(matched.counts, matched.positive)


def test_anchors_are_stored_with_the_weights(tiny: Backbones) -> None:
    model, other = build(tiny), build(tiny)
    other.anchors.mul_(2)
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(model.anchors, 2 * anchor_set(POSE, [3.0, 4.5]))


def test_bad_arguments(tiny: Backbones) -> None:
    with pytest.raises(ValueError, match="expected 3 oks_sigmas, as anchors have points, found 1"):
        PointSetModel(tiny(), anchor_set(POSE, [3.0]), [AnchorL1(3)], [0.1])
    with pytest.raises(ValueError, match="at least one level and one law and a positive widening, found 2, 0 and 2"):
        build(tiny, [])


def test_autocast_changes_classes_a_little_and_nothing_of_the_rest(tiny: Backbones, scene_batch: Batches) -> None:
    batch, model = scene_batch(people(2)), build(tiny, [AnchorL1(3)], most=500).eval()
    images = batch.images.float() / 255
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model.loss(images, batch)
        (maps,) = model(images)
        (stage,) = model.at(maps, torch.tensor([[3, 40]] * 2))
    assert maps.logits.dtype == stage.offset.loc.dtype == torch.float32
    exact = model.loss(images, batch)
    torch.testing.assert_close(rough["loss"].detach(), exact["loss"].detach(), rtol=0.02, atol=0)


def test_nll_is_that_of_the_density_at_everybodys_best_anchor(tiny: Backbones, scene_batch: Batches) -> None:
    """A person who is an anchor exactly: every answer is off by the regression's own small offset."""
    model = build(tiny, [AnchorL1(3)]).eval()
    places = model(torch.zeros(1, 3, 48, 64))[0].grid.places(torch.tensor([[40, 300, 0]]))
    visibility = torch.tensor([[[2, 2, 0], [2, 1, 2], [2, 2, 2]]])
    present = torch.tensor([[True, True, False]])
    batch = scene_batch(places.points, visibility, present=present, area=torch.zeros(1, 3))
    images = batch.images.float() / 255
    (stage,) = model.at(model(images)[-1], torch.tensor([[40, 300, 0]]))
    counts = (visibility > 0) & present[..., None]
    expected = -stage.offset.log_prob(torch.zeros(1, 3, 3, 2))[counts].mean().item()
    assert anchors_nll(model, images, batch) == pytest.approx(expected, rel=1e-5)
