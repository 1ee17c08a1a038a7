"""The fused flow against one written coupling by coupling, network by network."""

import math

import pytest
import torch

from poserior.distributions import RealNVP

CASES = [(2, 6, 3, 11), (3, 5, 3, 7), (2, 1, 2, 5), (3, 2, 4, 6)]


def plain_log_prob(flow, value):
    """The paper's couplings, one masked network after the other, for autograd to differentiate."""
    dim = flow.dim
    log_det = 0.0
    for i in reversed(range(flow.couplings)):
        mask = torch.tensor([0.0] * (dim - 1) + [1.0] if i % 2 == 0 else [1.0] * (dim - 1) + [0.0])
        outputs = []
        for which in (0, 1):
            hidden = value * mask
            for layer, (weight, bias) in enumerate(zip(flow.weights, flow.biases, strict=True)):
                if layer:
                    hidden = torch.where(hidden > 0, hidden, 0.01 * hidden)
                hidden = hidden @ weight[i, which].T + bias[i, which, :, 0]
            outputs.append(hidden)
        s, t = outputs[0].tanh() * (1 - mask), outputs[1] * (1 - mask)
        value = mask * value + (1 - mask) * (value - t) * torch.exp(-s)
        log_det = log_det - s.sum(-1)
    return log_det - 0.5 * value.square().sum(-1) - 0.5 * dim * math.log(2 * math.pi)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("dim", "couplings", "layers", "neurons"), CASES)
def test_equals_the_plain_flow_in_value_and_gradient(dim, couplings, layers, neurons):
    flow = RealNVP(dim, couplings, layers, neurons)
    value = (2 * torch.randn(13, 4, dim)).requires_grad_()
    weight = torch.rand(13, 4)
    gradients = []
    for log_prob in (flow.log_prob(value), plain_log_prob(flow, value)):
        gradients.append([log_prob, *torch.autograd.grad((weight * log_prob).sum(), [value, *flow.parameters()])])
    torch.testing.assert_close(*gradients)
    assert gradients[0][0].shape == (13, 4)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("dim", "couplings", "layers", "neurons"), CASES)
def test_draws_and_density_belong_together(dim, couplings, layers, neurons):
    """``log p(e) = log N(z) - log |det de/dz|`` with the Jacobian of `to_data` by central differences."""
    flow = RealNVP(dim, couplings, layers, neurons)
    noise = torch.randn(9, dim)
    step = 1e-6
    jacobian = torch.stack(
        [
            (flow.to_data(noise + step * unit) - flow.to_data(noise - step * unit)) / (2 * step)
            for unit in torch.eye(dim)
        ],
        -1,
    )
    log_normal = -0.5 * noise.square().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
    expected = log_normal - torch.linalg.det(jacobian).abs().log()
    torch.testing.assert_close(flow.log_prob(flow.to_data(noise)), expected, rtol=1e-6, atol=1e-6)


def test_many_points_without_gradient_give_the_same():
    flow = RealNVP()
    value = torch.randn(5000, 2)
    with torch.no_grad():
        in_portions = flow.log_prob(value)
    torch.testing.assert_close(in_portions, flow.log_prob(value).detach())


def test_parameter_count_is_the_papers():
    """Table 11: 53.8 K for 3 x 64, 205.8 K for 3 x 128, 40.0 K for 5 x 32, 153.6 K for 5 x 64."""
    counts = {
        (layers, neurons): sum(p.numel() for p in RealNVP(2, 6, layers, neurons).parameters())
        for layers, neurons in ((3, 64), (3, 128), (5, 32), (5, 64))
    }
    assert counts == {(3, 64): 53784, (3, 128): 205848, (5, 32): 39960, (5, 64): 153624}


@pytest.mark.parametrize("sizes", [(1, 6, 3, 64), (2, 0, 3, 64), (2, 6, 1, 64), (2, 6, 3, 0)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="expected dim >= 2, couplings >= 1"):
        RealNVP(*sizes)
