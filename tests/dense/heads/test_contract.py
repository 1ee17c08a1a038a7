"""The contract that every dense head obeys, walked head by head."""

import inspect

import pytest
import torch
from scipy.stats import laplace, multivariate_normal, norm
from torch import nn

from poserior.dense import heads

HEADS = [h for _, h in inspect.getmembers(heads, inspect.isclass) if not inspect.isabstract(h)]
FLOW = {"couplings": 3, "layers": 2, "neurons": 8}
VARIANTS = {
    heads.DenseFixed: [{}, {"base": "gaussian"}],
    heads.DenseMixture: [
        {"components": 1},
        {"objective": "published", "initial_scale": None, "scale_offset": 10.0},
        {"covariance": "diagonal", "components": 4, "scale_offset": None},
        {"covariance": "full", "components": 2},
    ],
    heads.DenseRLE: [FLOW, {**FLOW, "base": "gaussian", "variant": "official"}, {**FLOW, "variant": "mmpose"}],
}
CASES = [(head, options) for head in HEADS for options in VARIANTS[head]]
B, N, K, C, h, w = 2, 5, 3, 7, 11, 13  # all different: a swapped axis cannot pass
FACTORS = (0.5, 1.0, 2.0)


def name(case):
    return case[0].__name__ + "".join(f"-{value}" for value in case[1].values())


@pytest.fixture(params=CASES, ids=name)
def case(request):
    return request.param


def made(case, factors=FACTORS):
    """A head whose outputs vary, as after training."""
    head = case[0](C, factors, channels=6, **case[1])
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if name.endswith("2.weight"):  # a branch's last layer
                parameter.normal_(0, 1.5)
    return head


def at_objects(raw):
    """The raw values of N cells of each picture, ``(B, N, P)``."""
    return raw.flatten(2).transpose(1, 2)[:, 20 : 20 + N]


def density(head, features=None):
    return head.density(at_objects(head(torch.randn(B, C, h, w) if features is None else features)))


def labels():
    points, labelled = 3 * torch.randn(B, N, K, 2), torch.rand(B, N, K) < 0.7
    labelled[0, 0], labelled[0, 1] = False, True
    return points, labelled


def test_every_head_is_walked():
    assert {head for head, _ in CASES} == {getattr(heads, n) for n in heads.__all__} - {heads.DenseHead}


def test_shapes(case):
    head = made(case)
    raw = head(torch.randn(B, C, h, w))
    assert raw.shape[0] == B
    assert raw.shape[2:] == (h, w)
    d = head.density(at_objects(raw))
    assert d.batch_shape == (B, N, K)
    assert d.event_shape == (2,)
    assert d.mode.shape == d.mean.shape == (B, N, K, 2)
    assert d.covariance.shape == (B, N, K, 2, 2)
    assert head.loss(d, *labels()).shape == (B, N)
    assert head.weights(d).shape == (B, N, head.components)
    assert head.modes(d).shape == (B, N, head.components, K, 2)
    torch.testing.assert_close(head.weights(d).sum(-1), torch.ones(B, N))


def test_the_start_is_the_same_everywhere(case):
    """A fresh head answers with its biases, whatever it sees."""
    head = case[0](C, FACTORS, channels=6, **case[1])
    found = at_objects(head(torch.randn(B, C, h, w)))
    assert (found - found[0, 0]).abs().max() < 0.2


@torch.no_grad()
@pytest.mark.usefixtures("double")
def test_density_of_a_box_integrates_to_one(case):
    head = made(case, (1.0,))
    d = density(head)[1:, 1:2]
    n, side = 300, 14 * d.variance.sqrt()
    axis = (torch.arange(n) + 0.5) / n - 0.5
    grid = torch.cartesian_prod(axis, axis)[:, None, None, None]
    total = d.log_prob(d.mean + grid * side).exp().sum(0) * (side / n).prod(-1)
    torch.testing.assert_close(total, torch.ones(1, 1, 1), rtol=0.01, atol=0)


def nll_by_scipy(head, raw, target, kept):
    """``-log p`` of one object's labelled points by scipy, from the raw values."""
    if isinstance(head, heads.DenseFixed):
        law = laplace if head.base == "laplace" else norm
        scale = float((10 * head.log_scale).exp())
        loc = raw.view(K, 2)
        return -sum(law(loc[k], scale * FACTORS[k]).logpdf(target[k]).sum() for k in kept)
    count = head.components
    own = 1 if head.covariance == "shared" else K
    logits, loc, spread, turn = raw.split(
        [count, 2 * count * K, 2 * count * own, len(raw) - count * (1 + 2 * K + 2 * own)]
    )
    loc, spread = loc.view(count, K, 2), spread.view(count, own, 2).expand(count, K, 2)
    offset = head.scale.offset
    spread = spread.exp() if offset is None else torch.where(spread > 0, spread, spread.exp() - 1) + offset
    total = 0.0
    for m in range(count):
        density = float(logits.softmax(0)[m])
        for k in kept:
            x, y = (spread[m, k] * FACTORS[k]).tolist()
            rho = 0.999 * float(turn.view(count, K)[m, k].tanh()) if head.covariance == "full" else 0.0
            density *= multivariate_normal(loc[m, k], [[x * x, rho * x * y], [rho * x * y, y * y]]).pdf(target[k])
        total += density
    return -torch.tensor(total).log()


@torch.no_grad()
@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("case", [c for c in CASES if c[0] is not heads.DenseRLE], ids=name)
def test_density_is_scipys(case):
    head = made(case)
    raw = at_objects(head(torch.randn(B, C, h, w)))
    d, (target, labelled) = head.density(raw), labels()
    for n in range(1, N):
        kept = labelled[1, n].nonzero()[:, 0].tolist()
        expected = torch.as_tensor(nll_by_scipy(head, raw[1, n], target[1, n], kept), dtype=torch.float64)
        if isinstance(head, heads.DenseFixed):
            found = -d[1, n].log_prob(target[1, n])[kept].sum()
        else:
            found = -d.pose.log_prob(target, labelled)[1, n]
        torch.testing.assert_close(found, expected)


@torch.no_grad()
@pytest.mark.usefixtures("double")
def test_unlabelled_points_are_left_out(case):
    """Whatever stands there; an object without labels has no loss."""
    head = made(case)
    d, (target, labelled) = density(head), labels()
    loss = head.loss(d, target, labelled)
    strange = torch.where(labelled[..., None], target, torch.nan)
    torch.testing.assert_close(head.loss(d, strange, labelled), loss)
    assert loss[0, 0] == 0
    seen = torch.zeros(B, N, K, dtype=torch.bool)
    seen[..., 1] = True
    if isinstance(head, heads.DenseMixture) and head.objective == "exact":
        torch.testing.assert_close(head.loss(d, target, seen), -d.log_prob(target)[..., 1])
        torch.testing.assert_close(head.loss(d, target, seen | True), -d.pose.log_prob(target))
    elif not isinstance(head, heads.DenseMixture):
        each = [head.loss(d, target, torch.eye(K)[k].bool().expand(B, N, K)) for k in range(K)]
        torch.testing.assert_close(sum(each), head.loss(d, target, seen | True))


def test_every_parameter_gets_gradient(case):
    head = made(case)
    target, labelled = labels()
    head.loss(density(head), target, labelled).sum().backward()
    for parameter_name, parameter in head.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@torch.no_grad()
@pytest.mark.usefixtures("double")
def test_mirroring_there_and_back(case):
    head = made(case)
    d, (y, _), mirror = density(head), labels(), torch.tensor([-1.0, 1.0])
    shift, order = torch.randn(B, N, 1, 2), [0, 2, 1]
    moved = d.affine(mirror, shift)[:, :, order]
    torch.testing.assert_close(moved.log_prob((mirror * y + shift)[:, :, order]), d.log_prob(y)[:, :, order])
    torch.testing.assert_close(head.modes(moved), (mirror * head.modes(d) + shift[:, :, None])[..., order, :])
    torch.testing.assert_close(head.weights(moved), head.weights(d))
    back = moved[:, :, order].affine(mirror, -mirror * shift)
    torch.testing.assert_close(back.mode, d.mode)
    torch.testing.assert_close(back.covariance, d.covariance)


def test_objects_do_not_mix(case):
    head = made(case).eval()
    raw, (y, labelled) = at_objects(head(torch.randn(B, C, h, w))), labels()
    whole = head.loss(head.density(raw), y, labelled)
    torch.testing.assert_close(head.loss(head.density(raw[1, 2:]), y[1, 2:], labelled[1, 2:]), whole[1, 2:])


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("signs", ["plus", "minus", "both"])
def test_extreme_raw_values_and_labels_are_finite(case, size, signs):
    head = made(case)
    shape = at_objects(head(torch.randn(B, C, h, w))).shape
    sign = {"plus": torch.ones(shape), "minus": -torch.ones(shape), "both": torch.randn(shape).sign()}[signs]
    raw = (size * sign).requires_grad_()
    target, labelled = labels()
    loss = head.loss(head.density(raw), 100 * target, labelled)
    loss.sum().backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()
    assert raw.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters() if parameter.grad is not None)
    assert head.density(raw.detach()).mode.isfinite().all()


def test_half_precision_raw_values_are_computed_in_float32(case):
    """Under autocast too: the loss is that of the same numbers in float32."""
    head = made(case)
    raw, (y, labelled) = at_objects(head(torch.randn(B, C, h, w))).detach().bfloat16(), labels()
    plain = head.loss(head.density(raw.float()), y, labelled)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = head.loss(head.density(raw), y, labelled)
        assert head(torch.randn(B, C, h, w)).dtype == torch.bfloat16
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, plain)


def test_exports(case):
    class Predict(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = made(case)

        def forward(self, features):
            d = self.head.density(at_objects(self.head(features)))
            return d.mode, self.head.weights(d), self.head.modes(d)

    features, model = torch.randn(B, C, h, w), Predict().eval()
    exported = torch.export.export(model, (features,)).module()
    for found, expected in zip(exported(features), model(features), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factors", [(), (0.0, 1.0), (0.5, -1.0)])
def test_factors_have_to_be_positive(case, factors):
    with pytest.raises(ValueError, match="all positive"):
        made(case, factors)
