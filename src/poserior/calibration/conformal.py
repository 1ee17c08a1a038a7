"""Regions that hold the label with a promised probability, whatever the predicted density is worth."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.calibration.base import Regions, SizeTable
from poserior.calibration.conformal_quantiles import group_bounds, group_edges, grouped_quantile, sorted_by_group
from poserior.distributions import Distribution
from poserior.errors import InputError

MOST = 20_000
"""At most so many people are kept: their scores lie in the checkpoint."""


class RegionScores(NamedTuple):
    """How far labels are off by two measures, each of any shape ``(...)``; see `region_scores`."""

    level: Float[Tensor, "..."]
    radius: Float[Tensor, "..."]


def region_scores(distribution: Distribution, label: Float[Tensor, "*B D"]) -> RegionScores:
    """Two measures of how far a label is off, neither of which changes with the frame.

    `level` is the credible level, the mass of all denser points: the region ``level <= q`` is one of highest density.
    `radius` is ``sqrt((y - mode)^T covariance^-1 (y - mode))``: the region ``radius <= q`` is an ellipse (an ellipsoid)
    about the answer. It is infinite if the covariance cannot be inverted.

    Args:
        distribution: ``batch_shape (...)``, ``event_shape (D,)``.
        label: in the density's frame.
    """
    factor, failed = torch.linalg.cholesky_ex(distribution.covariance.double())
    apart = (label - distribution.mode).double()[..., None]
    whitened = torch.linalg.solve_triangular(factor, apart, upper=False)[..., 0]
    radius = torch.where(failed > 0, math.inf, whitened.norm(dim=-1)).to(label.dtype)
    return RegionScores(distribution.credible_level(label), radius)


class Conformal(Regions):
    """Split conformal regions, keypoint by keypoint, and within a keypoint by object size if wanted.

    A label lies in its keypoint's region with probability `coverage` or more, over the draw of the held-out people and
    of the next person together, if these are exchangeable. With size groups the same holds within each group.
    The groups are of equal number of labels by area. A keypoint of which a group has too few labels for the asked
    coverage takes the quantile of all its labels instead; with too few even so (below 9 for 90 %) the region is
    everything: level 1, radius infinite.

    The scores themselves are kept, so that any coverage can be asked. Made by `fit`; the constructor only makes room.

    Args:
        num_keypoints: K.
        labels: room for so many scores of each keypoint.
        groups: how many size groups; 1 for none.
    """

    levels_sorted: Tensor
    radii_sorted: Tensor
    counts: Tensor
    edges: Tensor

    def __init__(self, num_keypoints: int, labels: int = 1, groups: int = 1) -> None:
        super().__init__()
        if labels < 1 or groups < 1:
            raise ValueError(f"expected at least 1 label and 1 group, found {labels} and {groups}")
        shape = (1 if groups == 1 else 1 + groups, num_keypoints)
        self.register_buffer("levels_sorted", torch.full((*shape, labels), math.inf))
        self.register_buffer("radii_sorted", torch.full((*shape, labels), math.inf))
        self.register_buffer("counts", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("edges", torch.full((num_keypoints, groups - 1), -math.inf))

    @classmethod
    def fit(
        cls,
        scores: RegionScores,
        labelled: Bool[Tensor, "N K"],
        area: Float[Tensor, "N"],
        groups: int = 1,
    ) -> "Conformal":
        """Regions from held-out people, of whom at most `MOST` are taken, always the same.

        Args:
            scores: `region_scores` of the labels, ``(N, K)`` each; anything where there is no label.
            labelled: the keypoints that count.
            area: the objects' areas in square image pixels, as they will be known when predicting.
            groups: how many size groups; 1 for none.

        Raises:
            InputError: an area is not positive and finite.
        """
        if not bool(((area > 0) & area.isfinite()).all()):
            raise InputError("expected positive areas to fit regions on, found others; leave those people out")
        if len(area) > MOST:
            chosen = torch.randperm(len(area), generator=torch.Generator().manual_seed(0))[:MOST]
            scores = RegionScores(scores.level[chosen], scores.radius[chosen])
            labelled, area = labelled[chosen], area[chosen]
        size = area.float().log()[:, None].expand(labelled.shape)
        edges = group_edges(size, labelled, groups)
        levels, counts = sorted_by_group(scores.level.float(), size, labelled, edges)
        radii, _ = sorted_by_group(scores.radius.float(), size, labelled, edges)
        fitted = cls(labelled.shape[1], levels.shape[-1], groups)
        fitted.load_state_dict({"levels_sorted": levels, "radii_sorted": radii, "counts": counts, "edges": edges})
        return fitted

    def levels(self, coverage: float, area: Float[Tensor, "B"]) -> Float[Tensor, "B K"]:
        return self._quantile(self.levels_sorted, coverage, area).clamp_max(1)

    def radii(self, coverage: float, area: Float[Tensor, "B"]) -> Float[Tensor, "B K"]:
        return self._quantile(self.radii_sorted, coverage, area)

    def by_size(self, coverage: float) -> SizeTable:
        radii, levels = (group_bounds(part, self.counts, coverage) for part in (self.radii_sorted, self.levels_sorted))
        return SizeTable(self.edges, radii, levels.clamp_max(1))

    def _quantile(self, scores: Tensor, coverage: float, area: Tensor) -> Tensor:
        size = area.to(self.edges).log()[:, None].expand(-1, len(self.edges))
        return grouped_quantile(scores, self.counts, self.edges, size, coverage)
