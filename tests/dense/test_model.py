import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.backbones.dense_base import DenseBackbone
from poserior.dense.decode import candidates, peaks
from poserior.dense.heads import DenseFixed, DenseMixture
from poserior.dense.model import DenseModel
from poserior.dense.targets import dense_targets
from poserior.scenes import Maps
from tests.dense.test_targets import batch


class Tiny(DenseBackbone):
    def __init__(self, stacks: int = 1) -> None:
        super().__init__()
        self.out_channels, self.stacks = 6, stacks
        self.first = nn.Conv2d(3, 6, 5, stride=4, padding=2)
        self.more = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(stacks - 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        maps = [self.first(images)]
        for layer in self.more:
            maps.append(maps[-1] + layer(maps[-1]).relu())
        return maps


def pose_batch():
    torch.manual_seed(0)
    keypoints = torch.rand(2, 2, 5, 2) * 30
    visibility = torch.tensor([[[2, 1, 0, 2, 2], [0, 0, 0, 0, 0]], [[2, 2, 2, 2, 2], [1, 0, 2, 0, 0]]])
    boxes = [[[1.0, 2.0, 30.0, 31.0], [20.0, 3.0, 40.0, 23.0]], [[5.0, 5.0, 17.0, 29.0], [0.0, 0.0, 0.0, 0.0]]]
    return batch(boxes, keypoints=keypoints, visibility=visibility)


def pose_model(stacks: int = 1) -> DenseModel:
    torch.manual_seed(1)
    head = DenseMixture(6, (0.03, 0.05, 0.07, 0.1, 0.09), components=3, channels=7)
    return DenseModel(Tiny(stacks), head, num_categories=1, num_keypoints=5, refine=True, channels=7)


@pytest.mark.parametrize("stacks", [1, 2])
def test_every_parameter_of_every_stack_learns(stacks: int) -> None:
    model, pictures = pose_model(stacks), pose_batch()
    losses = model.loss(torch.rand(2, 3, 32, 48), dense_targets(pictures, 1, model.stride))
    assert set(losses) == {"loss", "centre", "offset", "density", "size", "keypoint_heat", "keypoint_offset"}
    losses["loss"].backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_the_loss_is_the_weighted_sum_of_its_parts_averaged_over_the_stacks() -> None:
    model, pictures = pose_model(2), pose_batch()
    images, target = torch.rand(2, 3, 32, 48), dense_targets(pictures, 1, model.stride)
    losses = model.loss(images, target)
    weights = {"centre": 1, "offset": 0.1, "density": 0.1, "size": 0.1, "keypoint_heat": 1, "keypoint_offset": 1}
    total = sum(weight * losses[name].item() for name, weight in weights.items())
    assert losses["loss"].item() == pytest.approx(total, rel=1e-5)


def test_pictures_without_anybody_give_a_finite_loss_and_gradients() -> None:
    model = pose_model()
    empty = batch([[[0.0] * 4]], keypoints=torch.zeros(1, 1, 5, 2), visibility=torch.zeros(1, 1, 5, dtype=torch.long))
    losses = model.loss(torch.rand(1, 3, 32, 48), dense_targets(empty, 1, model.stride))
    losses["loss"].backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["density"].item() == 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_peaks_are_local_maxima_best_first() -> None:
    heat = torch.zeros(1, 2, 4, 5)
    heat[0, 0, 1, 1], heat[0, 0, 1, 2], heat[0, 1, 1, 2], heat[0, 1, 3, 4] = 0.9, 0.8, 0.7, 0.95
    score, category, cell = peaks(heat, 4)
    torch.testing.assert_close(score, torch.tensor([[0.95, 0.9, 0.7, 0.0]]))  # 0.8 has a higher neighbour
    assert category[0, :3].tolist() == [1, 0, 1]
    assert cell[0, :3].tolist() == [19, 6, 7]
    assert peaks(heat, 1000)[0].shape == (1, 40)


def test_what_the_target_says_is_decoded_to_the_objects_it_came_from() -> None:
    boxes = torch.tensor([[[1.0, 2.0, 31.0, 31.0], [33.0, 3.0, 40.0, 23.0]]])
    keypoints = torch.rand(1, 2, 5, 2, generator=torch.Generator().manual_seed(2)) * 30
    pictures = batch(boxes.tolist(), keypoints=keypoints, visibility=torch.full((1, 2, 5), 2))
    target = dense_targets(pictures, 1, 4)
    head = DenseFixed(6, (0.1,) * 5)

    def planted(values: Tensor) -> Tensor:
        grid = torch.zeros(1, values.shape[-1], 8 * 12)
        grid[0, :, target.cell[0]] = values[0].T
        return grid.unflatten(2, (8, 12))

    maps = Maps(
        centre=torch.logit(target.heat.clamp(1e-4, 1 - 1e-4)),
        offset=planted(target.offset),
        density=planted(target.points.flatten(2)),
        size=planted(target.size),
    )
    found = candidates(maps, head, count=2)
    order = found.cell[0].argsort()
    wanted = target.cell[0].argsort()
    corners = torch.cat([found.centre - found.size / 2, found.centre + found.size / 2], -1) * 4
    torch.testing.assert_close(corners[0, order], boxes[0, wanted])
    torch.testing.assert_close(found.points[0, order] * 4, keypoints[0, wanted])
    assert (found.score > 0.99).all()


def test_a_head_for_another_number_of_points_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a head for 5 points, found one for 4"):
        DenseModel(Tiny(), DenseFixed(6, (0.1,) * 4), 1, num_keypoints=5)
    with pytest.raises(ValueError, match="expected keypoints to refine"):
        DenseModel(Tiny(), DenseFixed(6, (1.0,)), 3, refine=True)
