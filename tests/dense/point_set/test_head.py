import math

import pytest
import torch

from poserior.dense.point_set import AnchorL1, AnchorRLE, PointLaw
from poserior.distributions import LocScale
from poserior.heads import RLE


@pytest.mark.parametrize("base", ["laplace", "gaussian"])
def test_rle_is_the_top_down_heads_formula(base: str) -> None:
    head, law = RLE(5, 3, base=base, initial_scale=0.2), AnchorRLE(base=base)
    law.law.load_state_dict(head.law.state_dict())
    density = law.density(torch.randn(4, 7, 3, 4))
    target, labelled = torch.randn(4, 7, 3, 2), torch.rand(4, 7, 3) < 0.6
    expected = torch.stack([head.loss(density[b], target[b]) for b in range(4)]).where(labelled, torch.zeros(()))
    torch.testing.assert_close(law.loss(density, target, labelled), expected)


def test_scales_start_where_they_should_and_stay_in_bounds() -> None:
    law = AnchorRLE(initial_scale=0.3, scale_floor=0.01)
    torch.testing.assert_close(law.density(law.initial()[None]).scale, torch.tensor([[0.3, 0.3]]))
    raw = torch.tensor([[0.0, 0.0, -1e4, 1e4]])
    torch.testing.assert_close(law.density(raw).scale, torch.tensor([[0.01, 1.0]]))


def test_l1_by_hand() -> None:
    law = AnchorL1(2, unit=0.5)
    raw = torch.tensor([[[0.1, 0.2], [0.0, 0.0]]], requires_grad=True)
    target = torch.tensor([[[0.4, 0.1], [math.nan, 9.0]]])
    loss = law.loss(law.density(raw), target, torch.tensor([[True, False]]))
    torch.testing.assert_close(loss, torch.tensor([[0.8, 0.0]]))
    (gradient,) = torch.autograd.grad(loss.sum(), raw)
    assert gradient.tolist() == [[[-2.0, 2.0], [0.0, 0.0]]]


def test_the_l1_density_learns_the_mean_error() -> None:
    law = AnchorL1(2, momentum=0.5)
    raw, target = torch.zeros(3, 2, 2), torch.tensor([0.1, -0.4]).expand(3, 2, 2)
    labelled = torch.tensor([[True, False]] * 3)
    for _ in range(30):
        law.loss(law.density(raw), target, labelled)
    torch.testing.assert_close(law.spread, torch.tensor([[0.1, 0.4], [0.2, 0.2]]))
    law.eval()
    law.loss(law.density(raw), 5 * target, labelled)
    torch.testing.assert_close(law.spread[0], torch.tensor([0.1, 0.4]))
    expected = -torch.tensor([0.2, 0.8]).log().sum() - 1 - 1
    torch.testing.assert_close(law.density(raw).log_prob(target)[0, 0], expected)


@pytest.mark.parametrize("law", [AnchorRLE(), AnchorL1(3)])
def test_unlabelled_keypoints_count_nothing_whatever_they_hold(law: PointLaw) -> None:
    raw = (law.initial() + 0.1 * torch.randn(2, 5, 3, law.channels)).requires_grad_()
    target = torch.randn(2, 5, 3, 2)
    labelled = torch.rand(2, 5, 3) < 0.5
    target[~labelled] = math.nan
    loss = law.loss(law.density(raw), target, labelled)
    assert (loss[~labelled] == 0).all()
    assert (loss[labelled] != 0).all()
    (gradient,) = torch.autograd.grad(loss.sum(), raw)
    assert gradient.isfinite().all()
    assert ((gradient != 0).all(-1) == labelled).all()


@pytest.mark.parametrize("law", [AnchorRLE(), AnchorL1(3)])
def test_no_labels_at_all(law: PointLaw) -> None:
    raw = law.initial().expand(2, 5, 3, law.channels).clone().requires_grad_()
    loss = law.loss(law.density(raw), torch.zeros(2, 5, 3, 2), torch.zeros(2, 5, 3, dtype=torch.bool))
    assert loss.sum() == 0
    loss.sum().backward()
    assert (raw.grad == 0).all()


def test_rle_learns_where_the_error_is_and_how_large() -> None:
    """Errors of 0.3 in x and 0.02 in y about (0.5, -0.2): the density's own mean and spread."""
    law = AnchorRLE(couplings=3, neurons=16)
    raw = law.initial().repeat(1, 1, 1).requires_grad_()
    optimiser = torch.optim.Adam([raw, *law.parameters()], 0.02)
    for _ in range(300):
        target = torch.tensor([0.5, -0.2]) + torch.randn(200, 1, 2) * torch.tensor([0.3, 0.02])
        density = law.density(raw.expand(200, 1, 4))
        loss = law.loss(density, target, torch.ones(200, 1, dtype=torch.bool)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    law.eval()
    found = law.density(raw.detach())
    assert isinstance(found, LocScale)
    torch.testing.assert_close(found.mean[0, 0], torch.tensor([0.5, -0.2]), atol=0.04, rtol=0)
    torch.testing.assert_close(found.covariance[0, 0].diagonal().sqrt(), torch.tensor([0.3, 0.02]), atol=0, rtol=0.25)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="'laplace' or 'gaussian', found 'cauchy'"):
        AnchorRLE(base="cauchy")
    with pytest.raises(ValueError, match="scale_floor < initial_scale"):
        AnchorRLE(initial_scale=0.1, scale_floor=0.2)
