"""How much likelier a person is where predictions will be made than where the regions were fitted."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.errors import InputError

STEPS, PRECISION = 100, 1e-10


class ShiftWeights:
    """``w(x) = exp(bias + slope . (x - center) / spread)``, proportional to ``dP_target(x) / dP_calibration(x)``.

    Args:
        center: ``(F,)`` what features are measured from.
        spread: ``(F,)`` their unit.
        slope: ``(F,)``.
        bias: of the log weight.
    """

    def __init__(
        self, center: Float[Tensor, "F"], spread: Float[Tensor, "F"], slope: Float[Tensor, "F"], bias: float
    ) -> None:
        self.center, self.spread, self.slope, self.bias = center, spread, slope, bias

    def __call__(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N"]:
        """The weights of people by their features."""
        return (((features.double() - self.center) / self.spread) @ self.slope + self.bias).exp()


def shift_weights(
    calibration: Float[Tensor, "N F"], target: Float[Tensor, "M F"], penalty: float = 1.0
) -> ShiftWeights:
    """Density ratios by logistic regression: a classifier that tells target people from calibration people.

    If it says p of x, then ``p / (1 - p) * N / M`` estimates ``dP_target(x) / dP_calibration(x)``. The target people
    need no labels. The guarantee of `conformal_quantile` with these weights holds as far as the ratio is right: for a
    shift of these features that is log-linear in them. Penalised maximum likelihood by Newton's method,
    ``sum log(1 + exp(-z_i (bias + slope . u_i))) + penalty / 2 |slope|^2``, u the standardised features.

    Args:
        calibration: features of the held-out people, e.g. log area.
        target: the same of people from where predictions will be made.
        penalty: on the squared slope; positive.

    Raises:
        InputError: no people, features that are not finite, or a penalty that is not positive.

    Source: Tibshirani et al., "Conformal Prediction Under Covariate Shift", NeurIPS 2019, section 2.3.
    """
    if not len(calibration) or not len(target):
        raise InputError(
            f"expected people on both sides, found {len(calibration)} and {len(target)}; give some of each"
        )
    both = torch.cat([calibration, target]).double()
    if not bool(both.isfinite().all()) or not penalty > 0:
        raise InputError("expected finite features and a positive penalty, found others; correct them")
    center, spread = both.mean(0), both.std(0, correction=0)
    spread = torch.where(spread > 0, spread, 1.0)
    inputs = torch.cat([(both - center) / spread, both.new_ones(len(both), 1)], 1)
    answer = torch.cat([both.new_zeros(len(calibration)), both.new_ones(len(target))])
    ridge = torch.full_like(inputs[0], penalty)
    ridge[-1] = 0
    solution = torch.zeros_like(ridge)

    def cost(at: Tensor) -> Tensor:
        logits = inputs @ at
        return torch.nn.functional.softplus(logits).sum() - answer @ logits + (ridge * at.square()).sum() / 2

    for _ in range(STEPS):
        chance = (inputs @ solution).sigmoid()
        gradient = inputs.mT @ (chance - answer) + ridge * solution
        if float(gradient.abs().max()) < PRECISION * len(both):
            break
        curvature = (inputs.mT * (chance * (1 - chance))) @ inputs + ridge.diag()
        step = torch.linalg.solve(curvature + 1e-12 * torch.eye(len(ridge)).to(both), gradient)
        # The cost is convex, and halving the step until it falls makes Newton's method safe from any start.
        share = 1.0
        while share > 1e-6 and not bool(cost(solution - share * step) <= cost(solution)):
            share /= 2
        solution = solution - share * step
    bias = float(solution[-1]) + float(torch.tensor(len(calibration) / len(target)).log())
    return ShiftWeights(center, spread, solution[:-1], bias)
