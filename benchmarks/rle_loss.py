"""RLE's loss, forward and backward: our fused couplings against one module per coupling, side by side.

The plain version is written straight from the paper: six couplings, each with two masked three-layer networks.
Both hold the same weights and give the same loss and gradients (checked first). The floor is what the 64 x 64
products alone take. Run: ``python benchmarks/rle_loss.py [--threads 2] [--device cpu|cuda]``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from poserior.distributions import Laplace
from poserior.heads import RLE

PEOPLE, KEYPOINTS, WIDTH, COUPLINGS = 32, 17, 64, 6


class PlainFlow(nn.Module):
    """RealNVP with one module per network, as the paper describes it."""

    def __init__(self) -> None:
        super().__init__()

        def network(*last: nn.Module) -> nn.Sequential:
            hidden = [nn.Linear(2, WIDTH), nn.LeakyReLU(), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU()]
            return nn.Sequential(*hidden, nn.Linear(WIDTH, 2), *last)

        self.s = nn.ModuleList(network(nn.Tanh()) for _ in range(COUPLINGS))
        self.t = nn.ModuleList(network() for _ in range(COUPLINGS))
        self.register_buffer("masks", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (COUPLINGS // 2)))
        self.prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))

    def log_prob(self, x: Tensor) -> Tensor:
        log_det = x.new_zeros(len(x))
        for i in reversed(range(COUPLINGS)):
            mask = self.masks[i]
            kept = mask * x
            s = self.s[i](kept) * (1 - mask)
            t = self.t[i](kept) * (1 - mask)
            x = (1 - mask) * (x - t) * torch.exp(-s) + kept
            log_det = log_det - s.sum(-1)
        return self.prior.log_prob(x) + log_det

    def copy_from(self, head: RLE) -> None:
        with torch.no_grad():
            for i in range(COUPLINGS):
                for which, network in enumerate((self.s[i], self.t[i])):
                    for layer, place in enumerate((0, 2, 4)):
                        network[place].weight.copy_(head.law.flow.weights[layer][i, which])
                        network[place].bias.copy_(head.law.flow.biases[layer][i, which, :, 0])


def plain_loss(flow: PlainFlow, loc: Tensor, scale: Tensor, target: Tensor) -> Tensor:
    error = (target - loc) / scale
    log_flow = flow.log_prob(error.reshape(-1, 2)).reshape(error.shape[:-1])
    log_base = -(error.abs() + torch.log(torch.tensor(2.0))).sum(-1)
    return (scale.log().sum(-1) - log_base - log_flow).sum() / len(loc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    head = RLE(8, KEYPOINTS)
    plain = PlainFlow()
    plain.copy_from(head)
    head.to(device), plain.to(device)
    plain.prior = torch.distributions.MultivariateNormal(torch.zeros(2, device=device), torch.eye(2, device=device))
    loc = torch.randn(PEOPLE, KEYPOINTS, 2, device=device).requires_grad_()
    scale = (0.5 + torch.rand(PEOPLE, KEYPOINTS, 2, device=device)).requires_grad_()
    target = torch.randn(PEOPLE, KEYPOINTS, 2, device=device)
    small = Laplace(loc, scale)

    def run_fused() -> Tensor:
        small.law, small.loc, small.scale = head.law, loc, scale
        return head.loss(small, target).sum() / PEOPLE

    def step(loss: Callable[[], Tensor], module: nn.Module) -> float:
        module.zero_grad(set_to_none=True)
        loc.grad = scale.grad = None
        value = loss()
        value.backward()
        return value.detach()

    def run_plain() -> Tensor:
        return plain_loss(plain, loc, scale, target)

    value = step(run_plain, plain)
    gradient = loc.grad.clone()
    torch.testing.assert_close(step(run_fused, head.law), value, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(loc.grad, gradient, rtol=1e-3, atol=1e-4)

    weight = torch.randn(2, WIDTH, WIDTH, device=device)
    hidden = torch.randn(2, WIDTH, PEOPLE * KEYPOINTS, device=device)
    many = hidden.repeat(COUPLINGS, 1, 1)
    weights = weight.repeat(COUPLINGS, 1, 1)

    def floor() -> None:  # forward one by one (they wait for each other), input and weight gradients at once
        for _ in range(COUPLINGS):
            torch.bmm(weight, hidden)
        torch.bmm(weights, many)
        torch.bmm(many, many.mT)

    # A backbone's activations teach the C allocator to keep freed memory; without, both versions mostly fault pages.
    torch.empty(24 << 20, dtype=torch.uint8).fill_(0)
    # In training the loss comes after a backbone, and never after itself: every version meets the same caches.
    backbone = nn.Conv2d(64, 64, 3, padding=1, device=device)
    activations = torch.randn(PEOPLE, 64, 16, 16, device=device)
    times: dict[str, list[float]] = {"plain": [], "fused": [], "floor": []}
    for round_number in range(args.rounds + 10):
        for name, work in (
            ("plain", lambda: step(run_plain, plain)),
            ("fused", lambda: step(run_fused, head.law)),
            ("floor", floor),
        ):
            backbone(activations)
            if device.type == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_number >= 10:
                times[name].append(time.perf_counter() - start)
    median = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    ratios = statistics.median(a / b for a, b in zip(times["plain"], times["fused"], strict=True))
    print(f"{PEOPLE} x {KEYPOINTS} keypoints, {args.device}, {args.threads} threads, median of {args.rounds} rounds")
    for name, value in median.items():
        print(f"  {name:6s} {value:7.3f} ms")
    print(f"  plain / fused  {ratios:.2f} (median of paired ratios)")
    print(f"  fused / floor  {median['fused'] / median['floor']:.2f} (the 64 x 64 products alone)")


if __name__ == "__main__":
    main()
