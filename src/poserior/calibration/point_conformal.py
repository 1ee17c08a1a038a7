"""Discs of guaranteed coverage about the points of any tool, from points and labels alone."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from poserior.calibration.conformal_quantiles import group_edges, grouped_quantile, sorted_by_group
from poserior.errors import InputError


class PointConformal(nn.Module):
    """Split conformal discs, keypoint by keypoint, and within a keypoint by the tool's score if wanted.

    The error is ``|y - point| / sqrt(area)``, so discs grow with the person. With groups, labels of similar score share
    a quantile: a sure answer has a smaller disc, and the promise holds in every group. Too few labels are met as in
    `Conformal`: all labels of the keypoint, then an infinite disc. Made by `fit`.

    Args:
        num_keypoints: K.
        labels: room for so many errors of each keypoint.
        groups: how many score groups; 1 for none.
    """

    errors_sorted: Tensor
    counts: Tensor
    edges: Tensor

    def __init__(self, num_keypoints: int, labels: int = 1, groups: int = 1) -> None:
        super().__init__()
        if labels < 1 or groups < 1:
            raise ValueError(f"expected at least 1 label and 1 group, found {labels} and {groups}")
        shape = (1 if groups == 1 else 1 + groups, num_keypoints)
        self.register_buffer("errors_sorted", torch.full((*shape, labels), math.inf))
        self.register_buffer("counts", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("edges", torch.full((num_keypoints, groups - 1), -math.inf))

    @classmethod
    def fit(
        cls,
        keypoints: Float[Tensor, "N K D"],
        target: Float[Tensor, "N K D"],
        visibility: Int[Tensor, "N K"] | Bool[Tensor, "N K"],
        area: Float[Tensor, "N"],
        scores: Float[Tensor, "N K"] | None = None,
        groups: int = 1,
    ) -> "PointConformal":
        """Discs from people that the tool was not trained on.

        Args:
            keypoints: the tool's points, in pixels of the picture.
            target: the labels.
            visibility: COCO's 0/1/2, or labelled or not.
            area: the objects' areas in square pixels, as they will be known when predicting.
            scores: the tool's score of every keypoint, in any unit; needed for groups.
            groups: how many score groups; 1 for none.

        Raises:
            InputError: an area is not positive, groups without scores, or a label, point or score that counts is no
                number.
        """
        labelled = visibility > 0
        if groups > 1 and scores is None:
            raise InputError(f"expected scores for {groups} score groups, found none; give scores or groups=1")
        covariate = keypoints.new_zeros(labelled.shape) if scores is None else scores
        errors = (keypoints - target).norm(dim=-1) / _root(area)
        if bool((labelled & ~(errors.isfinite() & covariate.isfinite())).any()):
            raise InputError("expected finite points, labels and scores, found NaN or infinity; leave those out")
        edges = group_edges(covariate.float(), labelled, groups)
        ordered, counts = sorted_by_group(errors.float(), covariate.float(), labelled, edges)
        fitted = cls(labelled.shape[1], ordered.shape[-1], groups)
        fitted.load_state_dict({"errors_sorted": ordered, "counts": counts, "edges": edges})
        return fitted

    def radii(
        self, coverage: float, area: Float[Tensor, "B"], scores: Float[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B K"]:
        """The discs' radii in pixels of the picture.

        Args:
            coverage: the promised probability, in (0, 1).
            area: the objects' areas in square pixels.
            scores: the tool's; needed if the discs differ by score.

        Raises:
            InputError: scores are missing, an area is not positive, or the coverage does not lie in (0, 1).
        """
        if self.edges.shape[1] and scores is None:
            raise InputError("expected scores, by which these discs differ, found none; give them as in the fit")
        covariate = area.new_zeros(len(area), len(self.edges)) if scores is None else scores
        return _root(area) * grouped_quantile(
            self.errors_sorted, self.counts, self.edges, covariate.to(self.edges), coverage
        )


def _root(area: Float[Tensor, "N"]) -> Float[Tensor, "N 1"]:
    if not bool(((area > 0) & area.isfinite()).all()):
        raise InputError("expected positive areas, found others; leave those people out")
    return area.sqrt()[:, None]
