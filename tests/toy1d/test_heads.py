import pytest
import scipy.stats
import torch

from poserior.errors import InputError
from poserior.heads.energy_objectives import toy_objective
from poserior.toy1d import HEADS, PROBLEMS, build, train
from poserior.toy1d.even import evenly
from poserior.toy1d.flows import flow_log_prob
from poserior.toy1d.joint import Joint, joint_plain
from poserior.toy1d.kl import kl_to_truth
from poserior.toy1d.nets import fresh, unpack

NORMALISED = [name for name in HEADS if not name.startswith("Energy")]


def _parameters(head, nets=3):
    return unpack(head.parts, fresh(head.parts, [torch.Generator().manual_seed(seed) for seed in range(nets)]))


@pytest.mark.parametrize("name", [name for name in NORMALISED if name != "Bins"])
def test_densities_integrate_to_one(name):
    head = build(name, PROBLEMS[0], 8)
    y = torch.sinh(torch.linspace(-9, 9, 6001))  # far out: some have heavy tails
    density = head.log_density(_parameters(head), torch.tensor([-2.0, 0.3]), y).exp()
    tail = 0.02 if name == "StudentT" else 2e-3
    torch.testing.assert_close(torch.trapezoid(density, y), torch.ones(3, 2), atol=tail, rtol=0)


def test_bins_integrate_to_one():
    head = build("Bins", PROBLEMS[0], 8)
    y = (torch.arange(128 * 5) + 0.5) / (128 * 5) * 6 - 3
    density = head.log_density(_parameters(head), torch.tensor([-2.0, 0.3]), y).exp()
    torch.testing.assert_close(density.sum(-1) * 6 / (128 * 5), torch.ones(3, 2))


def test_student_is_scipys():
    head = build("StudentT", PROBLEMS[0], 8)
    kinds = [torch.full((1, 1, 1, 1), value) for value in (0.3, -0.5, 0.2)]
    y = torch.linspace(-3, 3, 13)[None, None]
    freedom = 1 + 10 * torch.nn.functional.softplus(torch.tensor(0.2)).item()
    scale = torch.tensor(-0.5).exp().item() + 1e-3
    expected = scipy.stats.t(freedom, 0.3, scale).logpdf(y[0, 0].numpy())
    assert head.log_prob(kinds, y)[0, 0].tolist() == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize("name", ["Gaussian", "Laplace", "StudentT", "DLE", "Mixture", "Flow"])
def test_loss_of_likelihood_heads_is_the_negative_log_density(name):
    head = build(name, PROBLEMS[0], 8)
    parameters = _parameters(head)
    x, y = torch.tensor([-1.0, 0.5]), torch.tensor([0.2, -0.4])
    loss = head.loss(parameters, x.expand(3, -1), y.expand(3, -1), torch.Generator())
    expected = -head.log_density(parameters, x, y).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(loss, expected)


def test_rle_adds_laplace_to_the_likelihood():
    rle, dle = build("RLE", PROBLEMS[0], 8), build("DLE", PROBLEMS[0], 8)
    parameters, x, y = _parameters(rle), torch.full((3, 1), 0.5), torch.full((3, 1), 0.9)
    extra = rle.loss(parameters, x, y, torch.Generator()) - dle.loss(parameters, x, y, torch.Generator())
    loc, scale = rle._kinds(parameters, x)[:2]
    error = (0.9 - loc[:, 0, :, 0]) / (scale[:, 0, :, 0].sigmoid() + 1e-3)
    torch.testing.assert_close(extra, error.abs() + torch.tensor(2.0).log())


def test_the_flow_grows_and_its_density_is_its_derivative(double):
    raw = torch.randn(1, 26, 1, generator=torch.Generator().manual_seed(0))
    value = torch.linspace(-40, 40, 400_001)[None]
    assert torch.trapezoid(flow_log_prob(raw, value).exp(), value).item() == pytest.approx(1, abs=1e-6)


def test_the_written_derivative_is_autograds(double):
    shapes = [(3, 24), (3, 5, 4), (3, 5, 1), (3, 5, 1), (3, 5, 5), (3, 5, 5), (3, 5, 1), (3, 5, 5), (3, 5, 1)]
    inputs = [torch.randn(shape, requires_grad=True) for shape in [*shapes, (3, 1, 5), (3, 1, 1)]]
    weights = torch.randn(3, 24)
    fast, plain = Joint.apply(*inputs), joint_plain(*inputs)
    torch.testing.assert_close(fast, plain)
    for a, b in zip(
        torch.autograd.grad((fast * weights).sum(), inputs),
        torch.autograd.grad((plain * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_even_candidates_integrate_better_than_independent_ones(double):
    """log Z of a narrow mode away from the label, whose density integrates to one."""
    mode = torch.distributions.Normal(0.9, 0.075)
    label = torch.zeros(1, 1)
    errors = []
    for objective in (toy_objective("ml-is", 1, 128, True), evenly(toy_objective("ml-is", 1, 128, True))):
        generator = torch.Generator().manual_seed(5)
        losses = [objective(lambda y: mode.log_prob(y[..., 0]), label, generator) for _ in range(200)]
        log_z = torch.cat(losses) + mode.log_prob(torch.tensor(0.0))
        errors.append(log_z.exp().std().item())
        assert log_z.exp().mean().item() == pytest.approx(1, abs=0.15)
    assert errors[1] < errors[0] / 10


def test_an_even_candidate_follows_the_proposal():
    objective = evenly(toy_objective("nce+", 1, 16, True))
    generator = torch.Generator().manual_seed(2)
    first = torch.stack([objective._offsets(torch.zeros(1, 1), generator)[0, 0, 0] for _ in range(2000)])

    def law(y):
        return 0.5 * scipy.stats.norm.cdf(y, 0, 0.1) + 0.5 * scipy.stats.norm.cdf(y, 0, 0.8)

    assert scipy.stats.kstest(first.numpy(), law).pvalue > 0.01


@pytest.mark.parametrize("name", ["L2", "RLE", "Mixture", "Bins", "Energy[nce+]", "Energy[dsm]", "Energy[mcmc]"])
def test_nets_trained_together_are_nets_trained_alone(name, double):
    head = build(name, PROBLEMS[0], 4)
    x, y = PROBLEMS[0].draw(50, torch.Generator().manual_seed(0))
    together = train(head, x, y, [3, 8], epochs=2, batch_size=16)
    alone = torch.cat([train(head, x, y, [seed], epochs=2, batch_size=16) for seed in (3, 8)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-11)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("name", HEADS)
def test_training_lowers_the_kl(name):
    problem = PROBLEMS[0]
    head = build(name, problem, 16)
    x, y = problem.draw(300, torch.Generator().manual_seed(0))
    before, after = (
        kl_to_truth(problem, head, train(head, x, y, range(5), epochs, lr=5e-3), points=128).mean().item()
        for epochs in (0, 8)
    )
    assert after < before - 0.1


def test_unknown_heads_are_refused():
    with pytest.raises(InputError, match=r"expected heads among L1, .*found 'Gausian'"):
        build("Gausian", PROBLEMS[0], 8)
