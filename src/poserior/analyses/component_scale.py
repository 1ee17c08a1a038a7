"""Do the components divide the objects by their scale?

Source: Varamesh & Tuytelaars, CVPR 2020, Figure 2.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.analyses.component_records import FoundObjects, TrueObjects
from poserior.analyses.component_statistics import cramers_v, rates
from poserior.metrics import pearson, spearman

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SIZES = (32.0, 96.0)
"""Where COCO's small objects end and its large ones begin, as roots of areas in pixels."""


@dataclass(frozen=True, eq=False)
class ScaleSplit:
    """How the scale of objects, the root of their box's area in pixels, is divided among M components.

    Components are numbered by their mean scale, the smallest first; ones that were never taken come last.

    Attributes:
        order: ``(M,)`` the head's own numbers of the components, in that order.
        edges: ``(E,)`` of the histograms' bins, evenly spaced in the logarithm.
        truth: ``(B,)`` share of the annotated objects in each bin.
        found: ``(M, B)`` share of *all* predictions that are of this component and in this bin.
        rate: ``(M,)`` share of the predictions.
        true_rate: ``(3,)`` share of annotated objects that are small, medium and large (COCO's 32 and 96 pixels).
        found_rate: ``(M, 3)`` the same of each component's predictions; not a number where it has none.
        true_quantiles: ``(5,)`` of the annotated objects' scale at 5, 25, 50, 75 and 95 %.
        quantiles: ``(M, 5)`` of the predictions'.
        pearson: correlation of component and the annotated object's scale.
        spearman: the same of ranks, which does not ask for a straight line.
        pearson_category: correlation of component and the category's number, as the paper has it.
        category_v: Cramer's V of component and category, 0 to 1: categories have no order.
        count: how many annotated objects the correlations are over.
    """

    order: Int[Tensor, "M"]
    edges: Float[Tensor, "E"]
    truth: Float[Tensor, "B"]
    found: Float[Tensor, "M B"]
    rate: Float[Tensor, "M"]
    true_rate: Float[Tensor, "3"]
    found_rate: Float[Tensor, "M 3"]
    true_quantiles: Float[Tensor, "5"]
    quantiles: Float[Tensor, "M 5"]
    pearson: float
    spearman: float
    pearson_category: float
    category_v: float
    count: int


def scale_split(found: FoundObjects, at_truth: FoundObjects, truth: TrueObjects, bins: int = 24) -> ScaleSplit:
    """Histograms of scale by component, and the correlation of component and scale.

    Args:
        found: the predictions that count, for rates and histograms.
        at_truth: predictions matched with annotated objects, for the correlations and the order of components: what
            the network says at the objects' centres, or `found` itself; those without a match are passed over.
        truth: the annotated objects.
        bins: of the histograms.
    """
    matched = at_truth.match >= 0
    which = at_truth.match[matched]
    modes = found.weights.shape[1]
    chosen, scale = at_truth.component[matched], truth.scale[which]
    order = by_scale(chosen, scale, modes)
    rank = order.argsort()
    edges = _edges(torch.cat([found.scale, truth.scale]), bins)
    component = rank[found.component]
    quantiles = [_quantiles(found.scale[component == m]) for m in range(modes)]
    shares = [_shares(found.scale[component == m]) for m in range(modes)]
    ranked = rank[chosen].double()
    return ScaleSplit(
        order,
        edges,
        _histogram(truth.scale, edges) / max(len(truth.scale), 1),
        torch.stack([_histogram(found.scale[component == m], edges) for m in range(modes)]) / max(len(found.scale), 1),
        rates(component, modes),
        _shares(truth.scale),
        torch.stack(shares),
        _quantiles(truth.scale),
        torch.stack(quantiles),
        float(pearson(ranked, scale.double())),
        float(spearman(ranked, scale.double())),
        float(pearson(ranked, truth.category[which].double())),
        cramers_v(rank[chosen], truth.category[which]),
        int(matched.sum()),
    )


def by_scale(component: Int[Tensor, "N"], scale: Float[Tensor, "N"], modes: int) -> Int[Tensor, "M"]:
    """The components by the mean scale of their objects, the smallest first; those without any last, in their order.

    >>> by_scale(torch.tensor([0, 0, 3, 1]), torch.tensor([90.0, 70.0, 10.0, 30.0]), 4).tolist()
    [3, 1, 0, 2]
    """
    means = [scale[component == m].double().mean() for m in range(modes)]
    return torch.stack([mean.nan_to_num(math.inf) for mean in means]).argsort(stable=True)


def _edges(scale: Float[Tensor, "N"], bins: int) -> Float[Tensor, "E"]:
    """Even steps of the logarithm that hold all scales, in halves of an octave at their ends."""
    scale = scale.clamp_min(1).double()
    low, high = (1.0, 2.0) if not len(scale) else (float(scale.min()), float(scale.max()))
    low, high = math.floor(2 * math.log2(low)) / 2, math.ceil(2 * math.log2(high) + 1e-9) / 2
    return torch.logspace(low, max(high, low + 0.5), bins + 1, base=2.0)


def _histogram(scale: Float[Tensor, "N"], edges: Float[Tensor, "E"]) -> Float[Tensor, "B"]:
    bins = len(edges) - 1
    place = (torch.bucketize(scale.clamp_min(1).to(edges.dtype), edges, right=True) - 1).clamp(0, bins - 1)
    return torch.bincount(place, minlength=bins).to(edges.dtype)


def _shares(scale: Float[Tensor, "N"]) -> Float[Tensor, "3"]:
    return rates(torch.bucketize(scale, torch.tensor(SIZES, dtype=scale.dtype), right=True), 3)


def _quantiles(scale: Float[Tensor, "N"]) -> Float[Tensor, "5"]:
    if not len(scale):
        return torch.full((5,), torch.nan)
    return torch.from_numpy(np.quantile(scale.double().numpy(), QUANTILES)).float()  # torch's takes 16 million at most
