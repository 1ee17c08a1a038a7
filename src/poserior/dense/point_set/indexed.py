"""Features where an anchor's points are: what its offsets are regressed from."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from poserior.dense.point_set.anchors import Places


def sample_features(
    levels: Sequence[Float[Tensor, "B C _ _"]],
    strides: Sequence[int],
    level: Int[Tensor, "B S"],
    points: Float[Tensor, "B S Q 2"],
) -> Float[Tensor, "B S Q C"]:
    """Features of each anchor's own level at its points, bilinear between the cells' centres; 0 outside the picture.

    Args:
        levels: maps of the pyramid.
        strides: their cells' widths in picture pixels.
        level: each anchor's.
        points: picture pixels.
    """
    found = points.new_zeros(*points.shape[:3], levels[0].shape[1])
    for number, (features, stride) in enumerate(zip(levels, strides, strict=True)):
        sides = points.new_tensor([features.shape[3], features.shape[2]]) * stride
        sampled = functional.grid_sample(features.to(points), 2 * points / sides - 1, align_corners=False)
        found = torch.where((level == number)[..., None, None], sampled.movedim(1, -1), found)
    return found


class ShapeIndexed(nn.Module):
    """Raw values of all keypoints of chosen anchors, from features at the anchors' points and at their centres.

    Only anchors that are asked for are answered: the near ones in training, the best-scored in prediction. So
    memory grows with their number S, ``B S K reduced``, not with the number of cells.

    Args:
        channels: C of the features.
        kinds: A, anchors per cell; each has a bias of its own.
        initial: ``(P,)`` raw values of a keypoint to start from.
        num_points: K.
        reduced: channels that are sampled at the points.
        hidden: width of the hidden layer.
    """

    def __init__(
        self,
        channels: int,
        kinds: int,
        initial: Float[Tensor, "P"],
        num_points: int,
        reduced: int = 32,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.num_points = num_points
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.of_points = nn.Linear(num_points * reduced, hidden)
        self.of_centre = nn.Linear(channels, hidden, bias=False)
        self.of_kind = nn.Embedding(kinds, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.answer = nn.Linear(hidden, num_points * len(initial))
        nn.init.zeros_(self.of_kind.weight)
        nn.init.normal_(self.answer.weight, std=0.01)
        with torch.no_grad():
            self.answer.bias.copy_(initial.repeat(num_points))

    def forward(
        self,
        levels: Sequence[Float[Tensor, "B C _ _"]],
        strides: Sequence[int],
        places: Places,
        points: Float[Tensor, "B S K 2"],
    ) -> Float[Tensor, "B S K P"]:
        """`points` in picture pixels: the anchors' own, or those an earlier stage found."""
        reduced = [self.reduce(features) for features in levels]
        at_points = sample_features(reduced, strides, places.level, points).flatten(2)
        at_centre = sample_features(levels, strides, places.level, places.centre[:, :, None])[:, :, 0]
        hidden = self.of_points(at_points) + self.of_centre(at_centre) + self.of_kind(places.kind)
        raw: Tensor = self.answer(self.middle(hidden.relu()).relu())
        return raw.reshape(*raw.shape[:-1], self.num_points, raw.shape[-1] // self.num_points)
