"""Probability integral transform: the labels' credible levels are uniform if the densities are true."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.metrics.base import Visibility, labelled_values
from poserior.metrics.reliability import within_unit


@dataclass(frozen=True, eq=False)
class PitHistogram:
    """How the labels' levels are spread over [0, 1].

    Too many low levels: the densities are too wide; too many high ones: too narrow; both: too light in the tails.

    Attributes:
        edges: of the bins, from 0 to 1.
        count: labels in each bin.
        share: the same as shares of all labels, ``1 / bins`` each if the densities are true.
        distance: Kolmogorov's, the largest gap of ``share of levels <= u`` from u over all u; 0 is perfect, and
            true densities stay below ``1.36 / sqrt(labels)`` 19 times in 20.
    """

    edges: Float[Tensor, "edges"]
    count: Int[Tensor, "bins"]
    share: Float[Tensor, "bins"]
    distance: Float[Tensor, ""]


def pit(levels: Float[Tensor, "..."], visibility: Visibility | None = None, bins: int = 20) -> PitHistogram:
    """The histogram of the labels' credible levels, and their distance from uniform ones.

    A level on the border of two bins belongs to the lower one, as it belongs to the region of that probability.

    Args:
        levels: `Distribution.credible_level` of the labels, any shape, in [0, 1].
        visibility: the levels' shape; COCO's 0/1/2 or a mask; all count if None.
        bins: how many.

    Raises:
        ValueError: a shape does not fit, there is no bin, or a level is outside [0, 1].

    >>> histogram = pit(torch.tensor([0.1, 0.2, 0.9, 0.3]), bins=2)
    >>> histogram.share.tolist(), round(histogram.distance.item(), 4)
    ([0.75, 0.25], 0.45)
    """
    if bins < 1:
        raise ValueError(f"expected at least one bin, found {bins}")
    (seen,) = labelled_values(visibility, levels)
    if not within_unit(seen):
        raise ValueError(f"expected levels in [0, 1], found {float(seen.min())} to {float(seen.max())}; correct them")
    ordered = seen.clamp(0, 1).sort().values
    edges = torch.linspace(0, 1, bins + 1, dtype=ordered.dtype, device=ordered.device)
    count = torch.bincount(torch.bucketize(ordered, edges[1:-1]), minlength=bins)
    return PitHistogram(edges, count, count / len(ordered), kolmogorov(ordered))


def kolmogorov(ordered: Float[Tensor, "M"]) -> Float[Tensor, ""]:
    """The largest gap between the distribution function of sorted values and the uniform one; no number for none."""
    count = len(ordered)
    if not count:
        return ordered.new_tensor(torch.nan)
    steps = torch.arange(count + 1, dtype=ordered.dtype, device=ordered.device) / count
    return torch.maximum((steps[1:] - ordered).amax(), (ordered - steps[:-1]).amax())
