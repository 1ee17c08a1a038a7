from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from poserior.backbones import DenseBackbone


@pytest.fixture
def on_a_torus() -> Callable[[nn.Module], nn.Module]:
    """Makes every convolution take the picture's other side for what lies outside of it: shifts then have no border."""

    def change(module: nn.Module) -> nn.Module:
        for layer in module.modules():
            if type(layer) is nn.Conv2d:
                layer.padding_mode = "circular"
        return module.eval()

    return change


@pytest.fixture
def idle_parameters() -> Callable[[DenseBackbone, Tensor], list[str]]:
    """Names of the parameters that no gradient reaches in a training step, whose loss weighs every cell otherwise."""

    def names(backbone: DenseBackbone, images: Tensor) -> list[str]:
        generator = torch.Generator().manual_seed(1)
        maps = backbone.train()(images)
        loss = torch.stack([(a * torch.randn(a.shape, generator=generator)).sum() for a in maps]).sum()
        loss.backward()
        return [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]

    return names
