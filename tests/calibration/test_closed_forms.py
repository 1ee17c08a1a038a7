"""The paper's correction forms: numbers by hand, and blobs whose width is known."""

from inspect import unwrap

import pytest
import torch

from poserior.calibration import (
    blob_oks,
    expected_oks,
    fitted_blob,
    heatmap_oks,
    heatmap_peak,
    oks_length,
    one_minus_scale,
)
from poserior.distributions import Gaussian, Grid

FLOOR = 1e-6


def test_length_is_that_of_cocos_kernel():
    # l = 2 sigma sqrt(area): 2 * 0.025 * 100, 2 * 0.1 * 100; 2 * 0.025 * 20, ...
    assert oks_length(torch.tensor([10_000.0, 400.0]), [0.025, 0.1])[1].tolist() == pytest.approx([1.0, 4.0])
    assert oks_length(10_000, torch.tensor([0.025, 0.1])).tolist() == pytest.approx([5.0, 20.0])


def test_equations_11_and_12_by_hand(double):
    # s = 3, l = 4: 16 / 25; the bias (3, 4) is 5 long, exp(-25 / 50).
    scale, length = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])
    assert blob_oks(scale, length).tolist() == pytest.approx([16 / 25, 9 / 25])
    assert blob_oks(scale, length, torch.tensor([5.0, 0.0])).tolist() == pytest.approx([0.64 * 0.6065306597, 0.36])
    law = Gaussian(torch.zeros(1, 2), torch.full((1, 2), 3.0))
    general = expected_oks(law, 400.0, [0.1], torch.tensor([[3.0, 4.0]]))  # l = 2 * 0.1 * 20
    assert blob_oks(scale[:1], length[:1], 5).item() == pytest.approx(general.item(), rel=1e-12)


def test_larger_people_are_forgiven_more(double):
    """The three areas of Table 1 differ in l alone: with s = l at the mean area, 1/2; at four times that area 4/5."""
    scale = oks_length(900.0, [0.05])
    shares = [blob_oks(scale, oks_length(area, [0.05])).item() for area in (900.0, 3600.0, 225.0)]
    assert shares == pytest.approx([0.5, 0.8, 0.2])


def test_heatmaps_by_hand():
    # Eq. 17 with the rendering of 2 cells: a perfect map's peak is 1, a blob of 4 cells 1/4.
    assert heatmap_peak(torch.tensor([2.0, 4.0]), 2).tolist() == pytest.approx([1.0, 0.25])
    # 5^2 - 4^2 = 3^2, l = 3: 9 / 18; a blob narrower than the rendering is a point.
    assert heatmap_oks(torch.tensor([5.0, 3.9]), 4.0, torch.tensor([3.0, 3.0])).tolist() == pytest.approx([0.5, 1.0])
    # Without taking the rendering out: 9 / (25 + 9).
    assert heatmap_oks(torch.tensor(5.0), 0, torch.tensor(3.0)).item() == pytest.approx(9 / 34)
    biased = heatmap_oks(torch.tensor(5.0), 4.0, torch.tensor(3.0), 6.0).item()
    assert biased == pytest.approx(0.5 * 0.3678794412)  # exp(-36 / 36)


def test_a_perfectly_learned_heatmap_gives_the_expected_oks(double):
    """A map that is the bump averaged over the labels' law: its width, less the rendering, is the law's."""
    label, rendered, length = 1.5, 2.0, torch.tensor(3.0)
    blob = fitted_blob(grid(bump((20.3, 14.8), (label**2 + rendered**2) ** 0.5)))
    cells = blob * torch.tensor([40.0, 32.0])
    torch.testing.assert_close(cells, torch.full((1, 1, 2), 2.5), rtol=1e-3, atol=0)
    found = heatmap_oks(cells[..., 0], rendered, length)
    assert found.item() == pytest.approx(9 / (9 + 1.5**2), rel=2e-3)
    # The density as it stands is wider: eq. 12 with 2.5, which the expected OKS of the grid has (and a cell's 1/12).
    as_it_stands = expected_oks(grid(bump((20.3, 14.8), 2.5)).affine(*unit_cells()), 900.0, [0.05])
    assert as_it_stands.item() == pytest.approx(9 / (9 + 2.5**2 + 1 / 12), rel=5e-3)


def test_rles_score_by_hand():
    assert one_minus_scale(torch.tensor([[0.1, 0.3], [1.0, 2.0]])).tolist() == pytest.approx([0.8, -0.5])


def bump(center, scale, shape=(32, 40)):
    """A bump in cells about a place in cells (the first cell's centre is 0.5)."""
    y, x = (torch.arange(n) + 0.5 for n in shape)
    return torch.exp(-0.5 * ((x - center[0]) ** 2 + (y[:, None] - center[1]) ** 2) / scale**2)


def grid(maps):
    return Grid((maps.clamp_min(0) + FLOOR).log()[None, None], offset=torch.tensor([[[0.3, 0.8]]]))


def unit_cells():
    return torch.tensor([[[40.0, 32.0]]]), torch.tensor([[[20.0, 16.0]]])


@pytest.mark.parametrize("scale", [0.7, 2.0, 6.0])
def test_background_and_a_second_person_far_off_do_not_count(scale, double):
    clean = bump((20.3, 14.8), scale)
    noisy = clean + 0.05 + 0.02 * torch.rand(32, 40)
    law = grid(noisy)
    found = fitted_blob(law, torch.tensor([[[20.3 / 40 - 0.5, 14.8 / 32 - 0.5]]]))[0, 0] * torch.tensor([40.0, 32.0])
    assert found.tolist() == pytest.approx([scale, scale], rel=0.06)
    # What the second moment says instead: the background's spread, more than 8 cells whatever the blob.
    spread = law.affine(*unit_cells()).variance[0, 0].sqrt()
    assert (spread > (5 if scale == 6.0 else 8)).all()


def test_the_unit_follows_the_law(double):
    law = grid(bump((20.3, 14.8), 2.0))
    plain = fitted_blob(law)
    moved = fitted_blob(law.affine(torch.tensor([[[-400.0, 320.0]]]), torch.tensor([[[7.0, 3.0]]])))  # mirrored
    torch.testing.assert_close(moved, plain * torch.tensor([400.0, 320.0]))
    assert moved[0, 0].tolist() == pytest.approx([20.0, 20.0], rel=1e-3)


def test_many_at_once_and_nothing_at_all(double):
    maps = torch.stack([bump((20.3, 14.8), 1.0), bump((5.3, 9.8), 3.0), torch.zeros(32, 40)])
    center = torch.tensor([[20.3, 14.8], [5.3, 9.8], [20.0, 16.0]]) / torch.tensor([40.0, 32.0]) - 0.5
    found = fitted_blob(Grid((maps + FLOOR).log()), center) * torch.tensor([40.0, 32.0])
    # A flat map is no sharp blob: the widest the search knows.
    assert found[:, 0].tolist() == pytest.approx([1.0, 3.0, 20.0], rel=2e-3)


def test_one_plane_at_a_time():
    with pytest.raises(ValueError, match="expected a grid of two dimensions, found 3"):
        unwrap(fitted_blob)(Grid(torch.zeros(2, 3, 4, 5), dim=3))
