"""Heads on grids: rendered bumps decoded, losses term by term, numbers by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from poserior import heads
from poserior.distributions import ProductGrid
from poserior.heads.decoding import decode, newton_step
from poserior.heads.heatmap import HeatmapGrid
from poserior.heads.soft_argmax import cell_squares, soft_argmax

pytestmark = pytest.mark.usefixtures("double")


def bump(peak, shape, scale):
    """A Gaussian at `peak` (x, y[, z], cells from the map's corner), its value taken at the cells' centres."""
    axes = [np.arange(n) + 0.5 for n in shape]
    cells = np.meshgrid(*axes, indexing="ij")[::-1]
    squares = sum((cell - p) ** 2 for cell, p in zip(cells, peak, strict=True))
    return torch.from_numpy(np.exp(-squares / (2 * scale**2)))[None, None]


PEAKS = [(20.3, 31.8), (11.51, 12.49), (30.0, 40.5), (25.9, 9.2)]


@pytest.mark.parametrize("peak", PEAKS)
@pytest.mark.parametrize(("decoding", "within"), [("argmax", 0.5), ("quarter", 0.25), ("dark", 0.05)])
def test_a_rendered_bump_is_found(peak, decoding, within):
    maps = 3.7 * bump(peak, (64, 48), 2.0)
    d = HeatmapGrid(maps, decode(maps, decoding, 2.0))
    found = (d.mode[0, 0] + 0.5) * torch.tensor([48.0, 64.0])
    assert (found - torch.tensor(peak)).abs().max() <= within + 1e-6
    torch.testing.assert_close(
        d.log_prob(d.mode), (maps.max() / maps.sum() * 48 * 64).log()[None, None], rtol=2e-3, atol=0
    )


def test_a_rendered_bump_is_found_in_three_dimensions():
    peak = (9.7, 14.2, 11.45)
    maps = bump(peak, (24, 26, 20), 1.5)
    d = HeatmapGrid(maps, decode(maps, "dark", 1.5))
    found = (d.mode[0, 0] + 0.5) * torch.tensor([20.0, 26.0, 24.0])
    assert (found - torch.tensor(peak)).abs().max() < 0.05


def test_dark_beats_the_quarter_shift_under_noise():
    true = 14 + 20 * torch.rand(64, 2)
    maps = torch.cat([bump(peak.tolist(), (48, 48), 2.0) for peak in true])
    maps = maps + 0.03 * torch.randn(maps.shape)
    error = {}
    for decoding in ("argmax", "quarter", "dark"):
        found = (HeatmapGrid(maps, decode(maps, decoding, 2.0)).mode[:, 0] + 0.5) * 48
        error[decoding] = (found - true).norm(dim=-1).mean()
    assert error["dark"] < error["quarter"] < error["argmax"]


def test_dark_stays_in_the_cell_at_edges_and_on_flat_maps():
    flat = torch.zeros(1, 1, 9, 9)
    torch.testing.assert_close(decode(flat, "dark", 2.0), torch.full((1, 1, 2), 0.5))
    edge = bump((0.2, 5.3), (11, 12), 2.0)
    assert (decode(edge, "dark", 2.0) == 0.5).all()
    assert decode(edge, "quarter", 2.0)[0, 0].tolist() == [0.5, 0.25]


@pytest.mark.parametrize("dim", [2, 3])
def test_newton_step_solves(dim):
    root = torch.randn(5, dim, dim)
    curve = -(root @ root.mT + 0.1 * torch.eye(dim))
    slope = torch.randn(5, dim)
    torch.testing.assert_close(newton_step(slope, curve), -torch.linalg.solve(curve, slope))
    assert (newton_step(slope, -curve) == 0).all()


def test_heatmap_loss_is_the_mean_square():
    head = heads.Heatmap(4, 2, num_deconvolutions=1, channels=3, target_scale=1.5)
    d = head(torch.randn(3, 4, 5, 6))
    assert d.maps.shape == (3, 2, 10, 12)
    target = torch.rand(3, 2, 2) - 0.5
    for b, k in [(0, 1), (2, 0)]:
        peak = ((target[b, k] + 0.5) * torch.tensor([12.0, 10.0])).tolist()
        expected = ((d.maps[b, k] - bump(peak, (10, 12), 1.5)[0, 0]) ** 2).mean()
        torch.testing.assert_close(head.loss(d, target)[b, k], expected)
    # Three scales are 4.5 cells: 0.375 of the width. Nearer than that a label outside still counts.
    target[0, 0], target[1, 0] = torch.tensor([0.5 + 0.37, 0.0]), torch.tensor([0.5 + 0.38, 0.0])
    assert head.loss(d, target)[0, 0] > 0
    assert head.loss(d, target)[1, 0] == 0


def test_soft_argmax_by_hand():
    """Masses 1/2 and 1/4, 1/4 at cells (x, y) = (0, 0), (2, 0), (2, 1) of 4 x 2: x = -1/8, y = -1/8."""
    mass = torch.tensor([[0.5, 0.0, 0.25, 0.0], [0.0, 0.0, 0.25, 0.0]])
    point = soft_argmax(mass.log()[None, None])
    assert point.flatten().tolist() == pytest.approx([0.5 * -0.375 + 0.5 * 0.125, 0.75 * -0.25 + 0.25 * 0.25])


def test_cell_squares_by_hand():
    squares = cell_squares(torch.zeros(1, 1, 3, 2, 4), torch.tensor([[[-0.5, 0.5, 0.0]]]))
    assert squares.shape == (1, 1, 3, 2, 4)
    assert squares[0, 0, 1, 0, 2].item() == pytest.approx(2.5**2 + 1.5**2 + 0)
    assert squares[0, 0, 2, 1, 0].item() == pytest.approx(0.5**2 + 0.5**2 + 1)


def test_integral_loss_term_by_term():
    head = heads.Integral(4, 2, num_deconvolutions=1, channels=3, regulariser=0.7, target_scale=1.2, temperature=0.5)
    features = torch.randn(3, 4, 5, 6)
    d = head(features)
    mass = torch.softmax((head.locate.draw(features) / 0.5).flatten(2), -1).reshape(3, 2, 10, 12)
    torch.testing.assert_close(d.map.log_mass.exp(), mass)
    torch.testing.assert_close(d.mode[..., 0], (mass.sum(2) @ ((torch.arange(12) + 0.5) / 12 - 0.5)))
    target = torch.rand(3, 2, 2) - 0.5
    distance = (target - d.mode).abs().sum(-1)
    divergence = torch.empty(3, 2)
    for b in range(3):
        for k in range(2):
            peak = ((target[b, k] + 0.5) * torch.tensor([12.0, 10.0])).tolist()
            wanted = bump(peak, (10, 12), 1.2).flatten().numpy()
            divergence[b, k] = jensenshannon(mass[b, k].detach().flatten().numpy(), wanted) ** 2
    torch.testing.assert_close(head.loss(d, target) + d.log_prob(target), distance + 0.7 * divergence)


def test_bins_loss_term_by_term():
    head = heads.Bins(4, 2, image_size=(9, 7), split=2.0, label_scale=1.3, mean_weight=0.2, variance_weight=0.05)
    d = head(torch.randn(3, 4, 5, 6))
    assert d.shape == (14, 18)
    target = torch.rand(3, 2, 2) - 0.5
    target[1, 1] = torch.tensor([0.8, -0.1])  # right of the crop: counts as its edge
    expected = torch.zeros(3, 2)
    for axis, log_mass in enumerate(d.log_masses):
        n = log_mass.shape[-1]
        bins = torch.arange(n) + 0.5
        label = (target[..., axis, None] + 0.5).clamp(0, 1) * n
        soft = torch.exp(-((bins - label) ** 2) / (2 * 1.3**2))
        soft = soft / soft.sum(-1, keepdim=True)
        mean = (log_mass.exp() * bins).sum(-1, keepdim=True)
        variance = (log_mass.exp() * (bins - mean) ** 2).sum(-1)
        expected += (soft * (soft.log() - log_mass)).sum(-1)
        expected += 0.2 * (mean - label).squeeze(-1) ** 2 / 2 + 0.05 * variance
    torch.testing.assert_close(head.loss(d, target), expected)


def test_bins_learn_the_soft_label_and_nothing_is_left():
    """The divergence is 0 for the soft label itself."""
    head = heads.Bins(4, 1, image_size=(9, 7), split=2.0, label_scale=2.0)
    target = torch.tensor([[[0.1, -0.2]]])
    logits = []
    for axis, n in enumerate((14, 18)):
        bins = (torch.arange(n) + 0.5) / n - 0.5
        logits.append(-0.5 * ((bins - target[0, :, axis, None]) * n / 2.0).square()[None])
    torch.testing.assert_close(head.loss(ProductGrid(logits), target), torch.zeros(1, 1), rtol=0, atol=1e-12)


def test_soft_argmax_rle_is_rle_at_the_soft_argmax():
    head = heads.SoftArgmaxRLE(4, 2, num_deconvolutions=0, couplings=2, layers=2, neurons=5)
    with torch.no_grad():
        head.regress.locate.draw.maps.weight.normal_()
    features = torch.randn(3, 4, 5, 6)
    d = head(features)
    logits = torch.einsum("kc,bchw->bkhw", head.regress.locate.draw.maps.weight[..., 0, 0], features)
    mass = torch.softmax(logits.flatten(2), -1).reshape(3, 2, 5, 6)
    torch.testing.assert_close(d.loc[..., 1], mass.sum(3) @ ((torch.arange(5) + 0.5) / 5 - 0.5))
    y = torch.rand(3, 2, 2) - 0.5
    e = (y - d.loc) / d.scale
    expected = e.abs().sum(-1) + 2 * math.log(2) - head.law.flow.log_prob(e) + d.scale.log().sum(-1)
    torch.testing.assert_close(head.loss(d, y), expected)


@pytest.mark.parametrize("head_class", [heads.Heatmap, heads.Integral, heads.Bins, heads.SoftArgmaxRLE])
def test_a_few_steps_find_a_point(head_class):
    """Features that mark a cell with a bright spot: each head learns to read it within a few steps."""
    torch.manual_seed(3)
    options = {heads.Bins: {"image_size": (16, 16), "split": 1.0, "feature_size": (8, 8), "label_scale": 0.7}}
    if head_class is heads.SoftArgmaxRLE:
        options[head_class] = {"couplings": 2, "layers": 2, "neurons": 8, "temperature": 0.1}
    if head_class in (heads.Heatmap, heads.Integral):
        options[head_class] = {"num_deconvolutions": 1, "channels": 8}
    head = head_class(1, 1, **options[head_class]).float()
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        cell = torch.randint(1, 7, (16, 2))
        features = torch.zeros(16, 1, 8, 8, dtype=torch.float32)
        features[torch.arange(16), 0, cell[:, 1], cell[:, 0]] = 1
        target = ((cell + 0.5) / 8 - 0.5).float()[:, None]
        distribution = head(features)
        optimiser.zero_grad()
        head.loss(distribution, target).sum().backward()
        optimiser.step()
    head.eval()
    assert (head(features).mean if head_class is heads.Integral else head(features).mode).sub(
        target
    ).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: heads.Heatmap(4, 2, target_scale=0.0), "target_scale"),
        (lambda: heads.Heatmap(4, 2, num_deconvolutions=-1), "num_deconvolutions"),
        (lambda: heads.Integral(4, 2, temperature=0.0), "temperature"),
        (lambda: heads.Integral(4, 2, regulariser=-1.0), "regulariser"),
        (lambda: heads.Bins(4, 2, split=0.0), "split"),
        (lambda: heads.Bins(4, 2, image_size=(1, 1), split=1.0), "at least 2 bins"),
        (lambda: heads.Bins(4, 2, dim=4), "expected dim 2 or 3"),
    ],
)
def test_arguments_that_make_no_sense(build, message):
    with pytest.raises(ValueError, match=message):
        build()
