import numpy as np
import pytest
import torch
from scipy import stats

from poserior.datasets import Figures
from poserior.datasets.figures import (
    GaussianNoise,
    HeteroscedasticNoise,
    LaplaceNoise,
    StudentTNoise,
    SwapNoise,
    Truth,
)
from poserior.errors import InputError
from poserior.skeletons import load

SKELETON = load("coco17")
POINTS = torch.rand(17, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 100
WIDTHS = torch.linspace(1.0, 9.0, 17, dtype=torch.float64)
VISIBILITY = torch.tensor([2, 1, 2, 0, 2, 2, 1, 2, 2, 1, 2, 2, 2, 0, 1, 2, 2])
TRUTH = Truth(POINTS, VISIBILITY, WIDTHS, SKELETON)


def _standardised(noise, count):
    """Labels less the truth, in OKS widths: (count, 17, 2)."""
    rng = np.random.Generator(np.random.PCG64(5))
    drawn = torch.stack([noise.draw(TRUTH, rng) for _ in range(count)])
    return ((drawn - POINTS) / WIDTHS[:, None]).numpy()


FACTORS = np.linspace(0.5, 1.5, 17) * np.where(VISIBILITY == 1, 3.0, 1.0)


@pytest.mark.parametrize(
    ("noise", "reference"),
    [
        (GaussianNoise(0.7), lambda k: stats.norm(scale=0.7)),
        (LaplaceNoise(0.4), lambda k: stats.laplace(scale=0.4)),
        (StudentTNoise(0.3, degrees=2.5), lambda k: stats.t(2.5, scale=0.3)),
        (HeteroscedasticNoise(0.5, hidden=3.0), lambda k: stats.norm(scale=0.5 * FACTORS[k])),
    ],
)
def test_draws_and_density_follow_the_stated_law(noise, reference):
    errors = _standardised(noise, 300)
    uniform = np.stack([reference(k).cdf(errors[:, k]) for k in range(17)])
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
    values = POINTS + torch.linspace(-3, 3, 34, dtype=torch.float64).reshape(17, 2)
    law = noise.law(TRUTH)
    assert law.batch_shape == (17,)
    assert law.event_shape == (2,)
    for k in range(17):
        offset = ((values - POINTS)[k] / WIDTHS[k]).numpy()
        expected = reference(k).logpdf(offset).sum() - 2 * np.log(WIDTHS[k].item())
        assert law.log_prob(values)[k].item() == pytest.approx(expected, abs=1e-9)


def test_swaps_go_to_the_mirrored_keypoint_as_often_as_stated():
    noise = SwapNoise(swap=0.25, size=0.01)
    rng = np.random.Generator(np.random.PCG64(5))
    drawn = torch.stack([noise.draw(TRUTH, rng) for _ in range(2000)])
    mirrored = POINTS[list(SKELETON.flip_indices)]
    near_own = ((drawn - POINTS).norm(dim=2) < 6 * 0.01 * WIDTHS).double().mean(0)
    near_other = ((drawn - mirrored).norm(dim=2) < 6 * 0.01 * WIDTHS).double().mean(0)
    for k, partner in enumerate(SKELETON.flip_indices):
        if k == partner or VISIBILITY[k] == 0 or VISIBILITY[partner] == 0:
            assert near_own[k] == 1
        else:
            # 2000 draws: the standard deviation of the share is 0.0097.
            assert near_other[k].item() == pytest.approx(0.25, abs=0.04)
            assert near_own[k].item() + near_other[k].item() == pytest.approx(1)
    law = noise.law(TRUTH)
    at = POINTS + 0.003
    for k in (0, 5):
        density = 0.75 * stats.norm(POINTS[k], 0.01 * WIDTHS[k]).pdf(at[k]).prod()
        density += 0.25 * stats.norm(mirrored[k], 0.01 * WIDTHS[k]).pdf(at[k]).prod()
        if k == 0:
            density = stats.norm(POINTS[k], 0.01 * WIDTHS[k]).pdf(at[k]).prod()
        assert law.log_prob(at)[k].item() == pytest.approx(np.log(density), abs=1e-9)


def test_samples_carry_their_law_and_labels_follow_it():
    noise = LaplaceNoise(0.5)
    dataset = Figures(length=20, seed=21, label_noise=noise, supersample=1, picture_size=(64, 48))
    exact = Figures(length=20, seed=21, supersample=1, picture_size=(64, 48))
    before = torch.random.get_rng_state()
    uniform = []
    for index in range(20):
        sample = dataset[index]
        seen = sample.visibility > 0
        torch.testing.assert_close(sample.true_keypoints[seen], exact[index].keypoints[seen])
        assert sample.label_law.batch_shape == (17,)
        uniform.append(sample.label_law.base_dist.cdf(sample.keypoints)[seen].flatten())
        widths = 2 * torch.tensor(SKELETON.oks_sigmas) * sample.area**0.5
        torch.testing.assert_close(sample.label_law.base_dist.scale[:, 0], 0.5 * widths)
        assert torch.equal(sample.keypoints, dataset[index].keypoints)
        assert torch.equal(sample.image, exact[index].image)
    assert stats.kstest(torch.cat(uniform).numpy(), "uniform").pvalue > 1e-3
    assert torch.equal(before, torch.random.get_rng_state())
    assert exact[0].label_law is None


@pytest.mark.parametrize("make", [lambda: GaussianNoise(0), lambda: StudentTNoise(0.3, -1), lambda: SwapNoise(1.5)])
def test_bad_sizes_teach(make):
    with pytest.raises(InputError, match="found"):
        make()
