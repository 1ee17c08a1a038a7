"""Do the mixture's components stay alive? Synthetic poses of two kinds, trained from several starts.

python benchmarks/mixture_start.py  (some minutes)

Each picture is 16 numbers; the first says how large the person is, the second how likely its pose is the one rather
than the other of two kinds (0.3 to 0.7), which share a mean. 17 keypoints with COCO's spread, 12 cells times
`oks_sigmas` times the size.
"""

import torch

from poserior.dense.heads import DenseMixture
from poserior.skeletons import load

STEPS, SEEDS = 700, 3
SIGMAS = load("coco17").oks_sigmas
STARTS = ((10.0, None), (2.0, None), (2.0, 2.0), (2.0, 4.0), (2.0, 8.0))  # scale_offset, initial_scale


def poses(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    fixed = torch.Generator().manual_seed(5)
    mean = torch.randn(17, 2, generator=fixed) * torch.tensor([4.0, 12.0])
    kind = torch.randn(17, 2, generator=fixed) * torch.tensor([5.0, 1.0])
    features = torch.rand(count, 16, 1, 1, generator=generator)
    size = (0.5 + 1.5 * features[:, 0]).reshape(count, 1, 1)
    sign = (torch.rand(count, generator=generator) < 0.3 + 0.4 * features[:, 1, 0, 0]).float() * 2 - 1
    spread = 12 * torch.tensor(SIGMAS)[:, None] * size
    noise = spread * torch.randn(count, 17, 2, generator=generator)
    return features, size * (mean + sign[:, None, None] * kind) + noise


def trained(components: int, offset: float, initial_scale: float | None, seed: int) -> tuple[float, list[float]]:
    """The last 50 steps' -log p per pose, and the components' average weights."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    head = DenseMixture(16, SIGMAS, components=components, scale_offset=offset, initial_scale=initial_scale)
    optimiser = torch.optim.Adam(head.parameters(), 4e-3)
    labelled, last = torch.ones(32, 17, dtype=torch.bool), []
    for step in range(STEPS):
        features, target = poses(32, generator)
        density = head.density(head(features)[..., 0, 0])
        loss = head.loss(density, target, labelled).mean()
        optimiser.zero_grad()
        (0.1 * loss).backward()
        optimiser.step()
        if step >= STEPS - 50:
            last.append(loss.item())
    return sum(last) / len(last), head.weights(density).mean(0).tolist()


if __name__ == "__main__":
    print("components  scale_offset  initial_scale  -log p  weights")
    for components in (2, 3):
        for offset, initial_scale in STARTS:
            for seed in range(SEEDS):
                nll, weights = trained(components, offset, initial_scale, seed)
                shares = " ".join(f"{weight:.2f}" for weight in weights)
                print(f"{components:>10}  {offset:>12}  {initial_scale!s:>13}  {nll:6.1f}  {shares}", flush=True)
