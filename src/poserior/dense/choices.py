"""One answer out of a density that has several."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.dense.heads import DenseHead
from poserior.distributions import Distribution, PoseMarginals
from poserior.distributions.gaussian_mixture import take_component

Choice = Literal["best", "mean", "bishop", "densest"]


@torch.no_grad()
def choose(
    head: DenseHead, distribution: Distribution, choice: Choice = "best"
) -> tuple[Int[Tensor, "*L"], Float[Tensor, "*L K 2"]]:
    """Which of the modes, and the points to answer with.

    - ``"best"``: the mode of largest weight, the paper's choice;
    - ``"mean"``: ``sum_m w_m loc_m``; the mode said beside it is the one of largest weight;
    - ``"bishop"``: the mode whose own peak is highest, ``argmax_m w_m / prod_kd scale_mkd`` (with correlations, the
      root of the covariance's determinant), which is where the density is highest if the modes lie far apart;
    - ``"densest"``: the densest point of the whole law, found by mean-shift; the mode beside it is ``"bishop"``'s.

    Source: Bishop, "Mixture density networks", 1994, section 5; "Pattern recognition and machine learning", Eq 5.48
    is the law itself.

    Args:
        head: whose density it is.
        distribution: ``batch_shape (*L, K)``.
        choice: see above.

    Returns:
        the mode's number in the head's order, and the points, in cells.
    """
    if choice not in ("best", "mean", "bishop", "densest"):
        raise ValueError(f"expected choice 'best', 'mean', 'bishop' or 'densest', found {choice!r}")
    weights = head.weights(distribution)
    if choice in ("best", "mean"):
        component = weights.argmax(-1)
    else:
        component = (weights.log() - _log_volume(distribution)).argmax(-1)
    if choice == "densest":
        return component, distribution.mode
    modes = head.modes(distribution)
    if choice == "mean":
        return component, (weights[..., None, None] * modes).sum(-3)
    return component, take_component(modes, component, 2)


def _log_volume(distribution: Distribution) -> Tensor | float:
    """``sum log`` of each mode's scales ``(*L, M)``; 0 where there is one mode and nothing to compare."""
    if not isinstance(distribution, PoseMarginals) or distribution.pose is None:
        return 0.0
    return distribution.pose.scale_tril.diagonal(dim1=-2, dim2=-1).abs().log().sum((-2, -1))
