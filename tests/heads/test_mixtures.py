"""What the mixture heads add to the contract: starts, floors, whole poses through the regressor."""

import pytest
import torch
from torch import nn

from poserior import heads
from poserior.backbones import Backbone
from poserior.distributions import Gaussian
from poserior.heads.shapes import ScaleActivation, elu_scale, scale_tril
from poserior.models import Regressor, flip_fused
from poserior.skeletons import Skeleton
from poserior.structures import Target

B, C, K = 4, 3, 3


class Pixels(Backbone):
    """The picture itself as features."""

    def __init__(self):
        nn.Module.__init__(self)
        self.out_channels, self.stride = C, 1

    def forward(self, images):
        return images


def target(keypoints, visibility):
    count = len(keypoints)
    return Target(
        keypoints,
        visibility,
        torch.ones(count),
        torch.zeros(count, 4),
        torch.zeros(count, 2, 3),
        tuple(range(count)),
        tuple(range(count)),
        torch.full((count,), torch.nan),
    )


@pytest.mark.parametrize("dim", [2, 3])
def test_correlations_are_valid_and_scales_are_standard_deviations(dim):
    scale, raw = 0.1 + torch.rand(50, dim).double(), 4 * torch.randn(50, dim * (dim - 1) // 2).double()
    factor = scale_tril(scale, raw)
    covariance = factor @ factor.mT
    torch.testing.assert_close(covariance.diagonal(dim1=-2, dim2=-1).sqrt(), scale)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()
    correlation = covariance[:, 1, 0] / scale[:, 0] / scale[:, 1]
    torch.testing.assert_close(correlation, 0.999 * raw[:, 0].tanh())


def test_elu_scale_by_hand():
    raw = torch.tensor([-1e4, 0.0, 3.0])
    torch.testing.assert_close(elu_scale(raw, 1 / 64), torch.tensor([1 / 64, 2 / 64, 5 / 64]))
    for name in ("sigmoid", "elu"):
        activation = ScaleActivation(name, None)
        for scale in (0.02, 0.2, 0.7):
            assert activation(torch.tensor(activation.raw(scale))).item() == pytest.approx(scale, rel=1e-5)
        assert activation(torch.tensor(-1e4)).item() == pytest.approx({"sigmoid": 1e-4, "elu": 1 / 64}[name])


@pytest.mark.parametrize("head_class", [heads.Mixture, heads.PoseMixture])
@pytest.mark.parametrize("activation", ["sigmoid", "elu"])
def test_components_start_apart_inside_the_crop(head_class, activation):
    law = head_class(C, K, components=5, activation=activation)(torch.zeros(B, C, 2, 2))
    whole = law.loc[0].transpose(0, 1).flatten(1) if head_class is heads.PoseMixture else law.loc[0, 0]
    assert torch.pdist(whole).min() > 0.05
    assert law.loc.abs().max() <= 0.25
    torch.testing.assert_close(law.scale_tril.diagonal(dim1=-2, dim2=-1), torch.full((B, K, 5, 2), 0.2))


def test_student_t_starts_where_it_is_told_and_stays_in_its_range():
    head = heads.StudentT(C, K, initial_df=6.0)
    torch.testing.assert_close(head(torch.zeros(B, C, 2, 2)).df, torch.full((B, K), 6.0))
    nn.init.normal_(head.freedom.linear.weight, 0, 1e4)
    df = head(torch.randn(B, C, 2, 2)).df
    assert 2.09 < df.min() < 2.2
    assert 99 < df.max() <= 100.01


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: heads.Mixture(C, K, components=0), "component"),
        (lambda: heads.PoseMixture(C, K, components=0), "component"),
        (lambda: heads.PoseMixture(C, K, initial_scale=0.01, activation="elu"), "floor"),
        (lambda: heads.StudentT(C, K, initial_df=1.0), "initial_df"),
    ],
)
def test_wrong_arguments_are_told(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_pose_mixture_trains_on_the_labelled_keypoints_alone():
    """The loss is the hand-marginalised density's, and outputs of unlabelled keypoints get no gradient."""
    head = heads.PoseMixture(C, K, components=2)
    nn.init.normal_(head.weigh.linear.weight)
    nn.init.normal_(head.locate.linear.weight)
    model, images = Regressor(Pixels(), head), torch.rand(B, 3, 5, 4)
    visibility = torch.tensor([[1, 0, 2], [2, 0, 0], [0, 0, 1], [0, 0, 0]])
    points = torch.rand(B, K, 2) - 0.5
    points[visibility == 0] = torch.nan
    loss = model.loss(images, target(points, visibility))
    loss.backward()

    with torch.no_grad():
        pose = model(images).pose
    expected = 0.0
    for b in range(B):
        density = 0.0
        for m in range(2):
            factor = pose.logits[b].softmax(-1)[m]
            for k in (visibility[b] > 0).nonzero()[:, 0]:
                factor = factor * Gaussian(pose.loc[b, m, k], pose.scale[b, m, k]).log_prob(points[b, k]).exp()
            density = density + factor
        expected = expected - density.log()
    torch.testing.assert_close(loss.detach(), expected / B)

    for layer in (head.locate.linear, head.measure.linear):
        gradient = layer.weight.grad.reshape(K, -1)
        assert gradient.isfinite().all()
        assert (gradient[1] == 0).all()  # keypoint 1 is labelled nowhere
        assert (gradient[[0, 2]].abs().sum(1) > 0).all()
    assert head.weigh.linear.weight.grad.abs().sum() > 0


def test_a_few_steps_with_missing_labels_learn():
    torch.manual_seed(1)
    head = heads.PoseMixture(C, K, components=3)
    model, images = Regressor(Pixels(), head), torch.rand(16, 3, 2, 2)
    points = (images.mean((2, 3))[:, :K, None] - 0.5).expand(16, K, 2).clone()
    visibility = (torch.rand(16, K) < 0.7).long()
    points[visibility == 0] = torch.nan
    answers = target(points, visibility)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = model.loss(images, answers)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 2
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_flip_test_keeps_poses_whole():
    head = heads.PoseMixture(C, K, components=2)
    nn.init.normal_(head.locate.linear.weight)
    nn.init.normal_(head.weigh.linear.weight)
    model, images = Regressor(Pixels(), head), torch.rand(B, 3, 5, 4)
    images = images + torch.linspace(0, 1, 4)
    skeleton = Skeleton(
        "hands", ("left_hand", "right_hand", "nose"), ((0, 1),), (("left_hand", "right_hand"),), (0.1,) * 3
    )
    fused, _ = flip_fused(model, images, skeleton)
    plain = model(images).pose
    mirrored = model(images.flip(-1)).pose
    y = torch.rand(B, K, 2) - 0.5
    seen_in_mirror = y[:, [1, 0, 2]] * torch.tensor([-1.0, 1.0])
    expected = (plain.log_prob(y).exp() + mirrored.log_prob(seen_in_mirror).exp()) / 2
    torch.testing.assert_close(fused.pose.log_prob(y).exp(), expected)
    torch.testing.assert_close(fused.mode, fused.pose.mode)
    assert fused.batch_shape == (B, K)
