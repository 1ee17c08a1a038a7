"""The confidences that published models give and the OKS they should give, as plain formulas.

All lengths of one call share a unit (image pixels, or cells of the map). Source: Gu, Chen and Yao, "On the
calibration of human pose estimation", arXiv 2311.17105, 2023 (CCNet); the equations' numbers are the paper's.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Grid


def oks_length(
    area: Float[Tensor, "*N"] | float | int, oks_sigmas: Float[Tensor, "K"] | Sequence[float]
) -> Float[Tensor, "*N K"]:
    """OKS's own length ``l = 2 sigma_k sqrt(area)``: one keypoint's OKS is ``exp(-d^2 / 2 l^2)``.

    The paper's three corrections differ in the area alone: the mean over the training data (one number, or the mean
    share of the person's box), the predicted one, the annotated one (Table 1: "Mean", "Pred", "GT").

    Args:
        area: the object's in square pixels.
        oks_sigmas: COCO's constants.

    >>> oks_length(10_000, (0.025, 0.1)).tolist()
    [5.0, 20.0]
    """
    sigmas = torch.as_tensor(oks_sigmas)
    areas = torch.as_tensor(area, dtype=sigmas.dtype, device=sigmas.device)
    return 2 * sigmas * areas.sqrt()[..., None]


def blob_oks(
    scale: Float[Tensor, "*#B"], length: Float[Tensor, "*#B"], bias: Float[Tensor, "*#B"] | float | int = 0.0
) -> Float[Tensor, "*B"]:
    """Expected OKS of a two-dimensional isotropic Gaussian: ``l^2 / (s^2 + l^2) exp(-b^2 / (2 (s^2 + l^2)))``.

    Eq. 11; without a bias eq. 12. For other densities see `expected_oks`.

    Args:
        scale: s, the standard deviation of where the keypoint is.
        length: l, see `oks_length`.
        bias: b, the distance from the answer to the Gaussian's centre.

    >>> blob_oks(torch.tensor(3.0), torch.tensor(4.0)).item()
    0.6399999856948853
    """
    total = scale.square() + length.square()
    return length.square() / total * torch.exp(-0.5 * torch.as_tensor(bias).to(total).square() / total)


def heatmap_peak(blob_scale: Float[Tensor, "*#B"], rendered_scale: Float[Tensor, "*#B"] | float | int) -> Tensor:
    """What a heatmap trained by squared error says of itself at its peak: ``r^2 / s'^2`` (eq. 17), for ``s' >= r``.

    Ideally the map is the label's law blurred by the bump it was drawn with, ``s'^2 = s^2 + r^2``. So its peak has
    eq. 12's form with the constant r where OKS has l: two people of different sizes get one confidence (the "scaling
    gap").

    Args:
        blob_scale: s', the standard deviation of the map's blob, see `fitted_blob`.
        rendered_scale: r, that of the training target's bump (`Heatmap.target_scale` in cells; the paper's 2).

    Returns:
        ``(*B)``.

    >>> heatmap_peak(torch.tensor(4.0), 2.0).item()
    0.25
    """
    return torch.as_tensor(rendered_scale).to(blob_scale).square() / blob_scale.square()


def heatmap_oks(
    blob_scale: Float[Tensor, "*#B"],
    rendered_scale: Float[Tensor, "*#B"] | float | int,
    length: Float[Tensor, "*#B"],
    bias: Float[Tensor, "*#B"] | float | int = 0.0,
) -> Float[Tensor, "*B"]:
    """The correction for heatmaps: `blob_oks` with the blur of the rendering taken out, ``s^2 = s'^2 - r^2``.

    A blob narrower than the rendering counts as a keypoint known exactly. The expected OKS of a heatmap's density as it
    stands, blur and background included, is `expected_oks`.

    Args:
        blob_scale: s', see `fitted_blob`.
        rendered_scale: r; 0 takes the blob for the label's law itself.
        length: l, see `oks_length`.
        bias: distance from the answer to the blob's centre.

    >>> heatmap_oks(torch.tensor(5.0), 4.0, torch.tensor(3.0)).item()
    0.5
    """
    spread = blob_scale.square() - torch.as_tensor(rendered_scale).to(blob_scale).square()
    return blob_oks(spread.clamp_min(0).sqrt(), length, bias)


def one_minus_scale(scale: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
    """RLE's published confidence, ``1 - scale`` averaged over the axes (eqs. 3 and 19); for comparison.

    It knows neither the person's size nor the keypoint, falls off linearly where OKS is a bell (the "form gap"), and is
    no probability: a scale above 1 makes it negative. The scale is the network's own, in crop-normalised units.

    >>> one_minus_scale(torch.tensor([[0.25, 0.75]])).item()
    0.5
    """
    return 1 - scale.mean(-1)


SMALLEST, LARGEST, WIDTHS = 0.3, 0.5, 33  # of the fit's search: in cells, in sides of the map, how many per pass


NOTHING = 1e-6  # a correlation per cell, the highest being 1, that is rounding


@torch.no_grad()
def fitted_blob(law: Grid, center: Float[Tensor, "*B 2"] | None = None) -> Float[Tensor, "*B 2"]:
    """Standard deviation of the blob of a heatmap, by least squares: ``mass(cell) ~ a exp(-r^2 / 2 s^2) + background``.

    r is measured in cells from `center` to the cells' centres, and s is one number for both axes. Faint background,
    which a heatmap's own second moment is made of, is a constant in the fit and does not count. For each s the height
    and the background have closed forms, and s is found on three ever finer scales, from 0.3 cells to half the map:
    to within a thousandth of itself. No gradients.

    Args:
        law: a two-dimensional grid, such as the head `Heatmap` gives; moved by `affine` or not.
        center: the blob's; the density's mode by default.

    Returns:
        s in the law's own unit along x and y: cells times the cells' sides. Where cells are square (image pixels, no
        rotation) the two are equal.

    Raises:
        ValueError: the grid has not two dimensions.
    """
    if len(law.shape) != 2:
        raise ValueError(f"expected a grid of two dimensions, found {len(law.shape)}; fit its planes one by one")
    mass = law.log_mass.exp()
    mass = mass / mass.amax((-2, -1), keepdim=True)
    mass = mass - mass.mean((-2, -1), keepdim=True)
    place = ((law.mode if center is None else center) - law.origin) / law.size - 0.5
    squares = [
        (torch.arange(count, dtype=mass.dtype, device=mass.device) - place[..., axis, None]).square()
        for axis, count in enumerate(law.shape)
    ]
    # From wide to narrow: where nothing tells the widths apart, a flat map, it is the widest.
    steps = torch.linspace(1, -1, WIDTHS, dtype=mass.dtype, device=mass.device)
    low = torch.tensor(SMALLEST).to(mass).log()
    high = torch.tensor(LARGEST * max(law.shape)).to(mass).log().clamp_min(low)
    middle, reach = ((low + high) / 2).expand(law.batch_shape), (high - low) / 2
    for _ in range(3):
        candidates = (middle[..., None] + reach * steps).clamp(low, high)
        best = _explained(mass, squares, candidates.exp()).argmax(-1, keepdim=True)
        middle, reach = candidates.gather(-1, best)[..., 0], 2 * reach / (WIDTHS - 1)
    return middle.exp()[..., None] * law.size.abs()


def _explained(mass: Tensor, squares: list[Tensor], scale: Tensor) -> Tensor:
    """How much of the centred masses' sum of squares the best ``a g + b`` explains, ``(*B, S)``.

    The masses are ``(*B, H, W)``; g is a bump of each `scale` ``(*B, S)``, a product over the axes, so that no sum
    runs over cells and scales at once.
    """
    x, y = (torch.exp(-0.5 * square[..., None, :] / scale[..., None].square()) for square in squares)
    cells = mass.shape[-2] * mass.shape[-1]
    total = x.sum(-1) * y.sum(-1)
    spread = x.square().sum(-1) * y.square().sum(-1) - total.square() / cells
    common = ((y @ mass) * x).sum(-1)
    return torch.where(common > NOTHING * cells, common.square() / spread, 0.0)
