"""Two densities of one object, one of the mirror image: what becomes of them."""

from itertools import permutations

import pytest
import torch

from poserior.dense.choices import choose
from poserior.dense.heads import DenseFixed, DenseMixture, DenseRLE
from poserior.dense.matching import fuse, pair_up
from poserior.distributions import PoseFullMixture, PoseGaussianMixture

pytestmark = pytest.mark.usefixtures("double")
K = 2


def pose_law(weights, places, scale=1.0):
    """Components whose every coordinate lies at one place."""
    loc = torch.tensor(places)[:, None, None].expand(1, len(places), K, 2)
    return PoseGaussianMixture(torch.tensor([weights]).log(), loc, torch.full(loc.shape, scale))


def as_full(law):
    return PoseFullMixture(law.logits, law.loc, law.scale_tril)


HEAD = DenseMixture(5, (1.0,) * K, components=2)


@pytest.mark.parametrize("kind", [lambda law: law, as_full], ids=["diagonal", "full"])
def test_the_average_mixes_two_poses_and_matching_does_not(kind):
    """The picture prefers the pose at -10, its mirror image the one at 10, by a little; they list them in turn."""
    plain = kind(pose_law([0.6, 0.4], [-10.0, 10.0])).marginals()
    mirrored = kind(pose_law([0.55, 0.45], [10.2, -9.8])).marginals()
    average = fuse(HEAD, plain, mirrored, "average")
    torch.testing.assert_close(average.mode, torch.full((1, K, 2), 0.1))  # neither pose
    torch.testing.assert_close(average.pose.weights, torch.ones(1, 1))
    torch.testing.assert_close(average.covariance, torch.eye(2).expand(1, K, 2, 2))

    match = fuse(HEAD, plain, mirrored, "match")
    torch.testing.assert_close(match.pose.weights, torch.tensor([[(0.6 + 0.45) / 2, (0.4 + 0.55) / 2]]))
    share = 0.45 / (0.6 + 0.45)
    torch.testing.assert_close(match.pose.loc[0, 0], torch.full((K, 2), -10 + 0.2 * share))
    # 1 inside, share (1 - share) 0.2^2 between, on each axis and as their covariance
    between = share * (1 - share) * 0.04
    first = match.pose.parts()[2][0, 0]
    torch.testing.assert_close(first.diagonal(), torch.full((4,), 1 + between))
    if isinstance(match.pose, PoseFullMixture):
        torch.testing.assert_close(first[0, 1], torch.tensor(between))
    component, points = choose(HEAD, match)
    assert component.tolist() == [0]
    assert (points + 10).abs().max() < 0.2

    both, y = fuse(HEAD, plain, mirrored, "mixture"), torch.randn(1, K, 2)
    assert both.pose.logits.shape == (1, 4)
    expected = (plain.pose.log_prob(y).exp() + mirrored.pose.log_prob(y).exp()) / 2
    torch.testing.assert_close(both.pose.log_prob(y).exp(), expected)


@pytest.mark.parametrize("kind", [lambda law: law, as_full], ids=["diagonal", "full"])
def test_matching_a_law_with_itself_in_another_order_changes_nothing(kind):
    law = kind(PoseGaussianMixture(torch.randn(7, 3), 9 * torch.randn(7, 3, K, 2), 0.5 + torch.rand(7, 3, K, 2)))
    order = torch.tensor([2, 0, 1])
    if isinstance(law, PoseFullMixture):
        other = PoseFullMixture(law.logits[:, order], law.loc[:, order], law.scale_tril[:, order])
    else:
        other = PoseGaussianMixture(law.logits[:, order], law.loc[:, order], law.scale[:, order])
    found, y = fuse(HEAD, law.marginals(), other.marginals()), torch.randn(7, K, 2)
    torch.testing.assert_close(found.pose.log_prob(y), law.log_prob(y))
    torch.testing.assert_close(found.pose.weights, law.weights)
    torch.testing.assert_close(pair_up(law, other), order.argsort().expand(7, 3))


def test_a_mirrored_law_is_fused_by_its_covariance():
    """Mirroring leaves a negative scale; the correlation has turned."""
    factor = torch.tensor([[2.0, 0.0], [1.0, 1.0]]).expand(1, 1, K, 2, 2)
    law = PoseFullMixture(torch.zeros(1, 1), torch.zeros(1, 1, K, 2), factor).marginals()
    mirrored = law.affine(torch.tensor([-1.0, 1.0]), torch.zeros(2))
    for how in ("match", "average"):
        found = fuse(HEAD, law, mirrored, how)
        torch.testing.assert_close(found.covariance, torch.tensor([[4.0, 0.0], [0.0, 2.0]]).expand(1, K, 2, 2))
    flat = pose_law([1.0], [3.0], 2.0).marginals()
    found = fuse(HEAD, flat, flat.affine(torch.tensor([-1.0, 1.0]), torch.tensor([6.0, 0.0])), "average")
    torch.testing.assert_close(found.pose.scale, torch.full((1, 1, K, 2), 2.0))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_pairs_are_the_cheapest_of_all(count):
    first, second = (
        PoseGaussianMixture(torch.zeros(6, count), torch.randn(6, count, K, 2), 0.1 + torch.rand(6, count, K, 2))
        for _ in range(2)
    )
    partner = pair_up(first, second)
    for b in range(6):
        costs = {
            order: sum(
                ((first.loc[b, i] - second.loc[b, j]) ** 2 / (first.scale[b, i] ** 2 + second.scale[b, j] ** 2)).sum()
                for i, j in enumerate(order)
            )
            for order in permutations(range(count))
        }
        assert tuple(partner[b].tolist()) == min(costs, key=costs.get)


def test_many_components_are_paired_greedily_one_to_one():
    places = torch.arange(8.0)
    law = pose_law([1 / 8] * 8, places.tolist(), 0.3)
    order = torch.randperm(8)
    other = pose_law([1 / 8] * 8, (places[order] + 0.2).tolist(), 0.3)
    torch.testing.assert_close(pair_up(law, other), order.argsort()[None])
    random = [PoseGaussianMixture(torch.zeros(9, 8), torch.randn(9, 8, K, 2), torch.ones(9, 8, K, 2)) for _ in range(2)]
    torch.testing.assert_close(pair_up(*random).sort(-1).values, torch.arange(8).expand(9, 8))


@pytest.mark.parametrize("how", ["match", "average", "mixture"])
def test_laws_with_one_mode_keep_mean_and_variance(how):
    """The equal mixture's, whatever the family; a mirrored flow has its tail on the other side."""
    fixed, rle = DenseFixed(5, (1.0,) * K), DenseRLE(5, (1.0,) * K, couplings=2, layers=2, neurons=4).eval()
    for head, count in ((fixed, 2), (rle, 4)):
        plain = head.density(torch.randn(3, 4, count * K))
        mirrored = plain.affine(torch.tensor([-1.0, 1.0]), torch.randn(3, 4, K, 2))
        found = fuse(head, plain, mirrored, how)
        mean = (plain.mean + mirrored.mean) / 2
        variance = (plain.variance + mirrored.variance) / 2 + ((plain.mean - mirrored.mean) / 2) ** 2
        torch.testing.assert_close(found.mean, mean)
        torch.testing.assert_close(found.variance, variance)


def test_what_cannot_be_fused_is_told():
    law = pose_law([0.5, 0.5], [0.0, 1.0]).marginals()
    torn = law[torch.tensor([[True, False]])]
    with pytest.raises(ValueError, match="torn apart"):
        fuse(HEAD, torn, torn)
    with pytest.raises(ValueError, match="'mixture'"):
        fuse(HEAD, law, DenseFixed(5, (1.0,) * K).density(torch.zeros(1, 2 * K)))
