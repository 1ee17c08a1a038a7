"""A head returns a density: its loss, its point, its spread and its draws all come from it.

python examples/a_head_is_a_density.py
"""

import torch

from poserior import heads


def main() -> None:
    torch.manual_seed(0)
    features = torch.randn(64, 32, 4, 3)  # what a backbone gives: 64 pictures, 32 channels
    target = 0.2 * torch.distributions.Laplace(0.0, 1.0).sample((64, 5, 2))  # five keypoints, crop-normalised

    head = heads.RLE(in_channels=32, num_keypoints=5)
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    for step in range(200):
        loss = head.loss(head(features), target).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            print(f"step {step:3d}  loss {loss.item():7.3f}")

    head.eval()
    with torch.no_grad():
        density = head(features)
        print("nats per keypoint", -density.log_prob(target).mean().item())
        print("most likely point", density.mode[0, 0].tolist())
        print("covariance       ", density.covariance[0, 0].tolist())
        inside = (density.credible_level(target) <= 0.9).float().mean()
        print(f"labels inside their 90 % regions: {inside:.1%}")


if __name__ == "__main__":
    main()
