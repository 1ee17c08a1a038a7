"""Bins: one histogram per coordinate, trained as a classification."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions import Distribution, ProductGrid
from poserior.heads.base import Head
from poserior.heads.soft_argmax import cell_centres


class Bins(Head):
    """``sum_d KL(soft label_d, softmax_d) + mean_weight * sum_d (m_d - y_d)^2 / 2 + variance_weight * sum_d v_d``.

    Per axis the crop is cut into bins; the soft label is a Gaussian of `label_scale` bins around the label,
    normalised over the bins. m and v are mean and variance of the predicted histogram, all in bins. The last two
    terms, off by default, make it the mean-variance loss for scalars. A label outside the crop counts as the nearest
    point of its edge.

    The density is the product of the axes' histograms divided by the bins' widths. It is trained on soft labels, so
    its spread holds theirs beside the labels' own: with `label_scale` well below the true noise it is a calibrated
    likelihood, else too wide.

    Each keypoint has one map (1 x 1 convolution on the features, brought to `feature_size` cells) and, shared
    by all keypoints, a linear layer from its cells to the bins of each axis.

    Source: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022;
    Pan et al., "Mean-Variance Loss for Deep Age Estimation from a Face", CVPR 2018.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        image_size: the crop's ``(H, W)`` in pixels.
        split: bins per pixel.
        depth_bins: bins along the third axis; used in three dimensions only.
        feature_size: cells ``(h, w)`` of each keypoint's map; features of another size are averaged to it.
        label_scale: standard deviation of the soft label in bins.
        mean_weight: weight of the squared error of the mean.
        variance_weight: weight of the variance.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        image_size: Sequence[int] = (256, 192),
        split: float = 2.0,
        depth_bins: int = 256,
        feature_size: Sequence[int] = (8, 6),
        label_scale: float = 6.0,
        mean_weight: float = 0.0,
        variance_weight: float = 0.0,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if not (split > 0 and label_scale > 0 and mean_weight >= 0 and variance_weight >= 0):
            found = f"{split}, {label_scale}, {mean_weight} and {variance_weight}"
            raise ValueError(f"expected split and label_scale > 0, mean_weight and variance_weight >= 0, found {found}")
        height, width = image_size
        self.counts = [round(width * split), round(height * split), depth_bins][:dim]
        if min(self.counts) < 2:
            raise ValueError(f"expected at least 2 bins on each axis, found {self.counts}; raise image_size or split")
        self.label_scale, self.mean_weight, self.variance_weight = label_scale, mean_weight, variance_weight
        self.maps = nn.Conv2d(in_channels, num_keypoints, 1)
        self.pool = nn.AdaptiveAvgPool2d(tuple(feature_size))
        cells = feature_size[0] * feature_size[1]
        self.classify = nn.ModuleList(nn.Linear(cells, count) for count in self.counts)

    def forward(self, features: Float[Tensor, "B C H W"]) -> ProductGrid:
        maps = self.maps(self.pool(features)).flatten(2)
        dtype = self.maps.weight.dtype
        return ProductGrid([classify(maps).to(dtype) for classify in self.classify])

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """Divergence from the soft labels per keypoint, summed over the axes; 0 is the least it can be."""
        assert isinstance(distribution, ProductGrid)
        total = torch.zeros_like(target[..., 0])
        for axis, log_mass in enumerate(distribution.log_masses):
            count = log_mass.shape[-1]
            centres = count * cell_centres(count, log_mass)
            label = count * target[..., axis, None].clamp(-0.5, 0.5)
            wanted = (-0.5 * ((centres - label) / self.label_scale).square()).log_softmax(-1)
            total = total + (wanted.exp() * (wanted - log_mass)).sum(-1)
            if self.mean_weight or self.variance_weight:
                mean = (log_mass.exp() * centres).sum(-1, keepdim=True)
                variance = (log_mass.exp() * (centres - mean).square()).sum(-1)
                squared = (mean - label).square().squeeze(-1)
                total = total + self.mean_weight * squared / 2 + self.variance_weight * variance
        return total
