"""Training all nets of a head at once: they share the points and Adam's clock, and nothing else."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from poserior.toy1d.head import Head1d
from poserior.toy1d.nets import fresh, unpack


def train(
    head: Head1d,
    x: Float[Tensor, "M"],
    y: Float[Tensor, "M"],
    seeds: Sequence[int],
    epochs: int = 75,
    batch_size: int = 32,
    lr: float = 1e-3,
    tick: Callable[[], None] = lambda: None,
) -> Float[Tensor, "N P"]:
    """Train one net for every seed.

    A net's parameters and shuffles follow from its own seed; draws of candidates are the same for all nets.

    Args:
        head: the density.
        x: given.
        y: to be told.
        seeds: one for each net.
        epochs: passes over the points.
        batch_size: points per step and net; the last step of an epoch takes what is left.
        lr: of Adam.
        tick: called after each epoch.

    Returns:
        The nets' parameters, a row each.
    """
    generators = [Generator().manual_seed(seed) for seed in seeds]
    draws = Generator().manual_seed(0)
    rows = fresh(head.parts, generators).requires_grad_()
    optimiser = torch.optim.Adam([rows], lr=lr, fused=True)
    for _ in range(epochs):
        order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
        for start in range(0, len(x), batch_size):
            batch = order[:, start : start + batch_size]
            optimiser.zero_grad()
            # a sum over nets: the gradient of a net is that of its own mean
            loss = head.loss(unpack(head.parts, rows), x[batch], y[batch], draws).mean(1).sum()
            torch.autograd.backward(loss)
            optimiser.step()
        tick()
    return rows.detach()
