"""One point for a density: which one depends on what an error costs."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import Distribution, GaussianKernel
from poserior.distributions.search import climb
from poserior.errors import InputError


def decide(
    distribution: Distribution,
    target: Literal["mode", "mean", "oks"] = "mode",
    width: Float[Tensor, "*B D"] | float | int | None = None,
) -> Tensor:
    """The Bayes decision: the point with the best expected score under the density.

    - ``"mode"``: the most probable point (the score counts only direct hits);
    - ``"mean"``: ``E[Y]``, the least expected square error;
    - ``"oks"``: ``argmax_c E[exp(-sum_d (Y_d - c_d)^2 / (2 width_d^2))]``, the highest expected OKS. It goes to the
      mode as the width goes to 0 and to the mean as it grows; for symmetric single-peaked laws all three are one point.

    For ``"oks"`` the search begins at the mode, the mean and the components' peaks, and its answer's expected OKS
    (by `Distribution.expectation`) is never below that of the mode and of the mean. No gradient flows through it.

    Args:
        distribution: in any unit.
        target: the score.
        width: for ``"oks"``: the kernel's width, in the distribution's unit (``poserior.geometry.oks_widths`` has it in
            crop-normalised units, ``2 oks_sigma sqrt(area)`` in pixels); positive, broadcasts against
            ``batch_shape + (D,)``.

    Returns:
        ``batch_shape + (D,)``.

    Raises:
        InputError: an unknown target; no width, or none that is positive, for ``"oks"``; a width for another target.

    >>> from poserior.distributions import Gaussian, Mixture
    >>> two = Mixture([Gaussian(torch.full((1, 2), at), torch.full((1, 2), 0.1)) for at in (0.0, 1.0)])
    >>> [round(value, 2) for value in decide(two, "oks", 5.0)[0].tolist()]
    [0.5, 0.5]
    """
    if target not in ("mode", "mean", "oks"):
        raise InputError(f"expected the target 'mode', 'mean' or 'oks', found {target!r}; name one of them")
    if (width is None) == (target == "oks"):
        found = "none" if width is None else f"one for the target {target!r}"
        raise InputError(f"expected a width with the target 'oks' and only there, found {found}; correct the call")
    if target == "mode":
        return distribution.mode
    if target == "mean":
        return distribution.mean
    return _best_expected(distribution, torch.as_tensor(width))


@torch.no_grad()
def _best_expected(distribution: Distribution, width: Tensor) -> Tensor:
    starts = torch.cat([distribution.mode[None], distribution.mean[None], distribution.candidates()])
    widths = width.to(starts).expand(starts.shape[1:])
    if not bool((widths > 0).all()):
        raise InputError(f"expected positive widths of the OKS kernel, found {float(widths.min())}; correct them")

    def expected(points: Tensor) -> Tensor:
        # One point at a time: what the densities make of it may be a thousand times its size.
        return torch.stack([distribution.expectation(GaussianKernel(point, widths)) for point in points])

    apart = (starts - starts[0]).abs().amax(0)
    # The expected score is the density smoothed by the kernel: no detail is smaller than the kernel is wide.
    return climb(expected, starts, torch.maximum(apart / 2, torch.minimum(widths, distribution.variance.sqrt()) / 2))
