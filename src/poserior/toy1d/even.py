"""Candidates that fill the proposal evenly: a few of them do what many independent draws would.

The public code draws 1024 candidates independently. Here each component of the proposal gets the same number of
candidates, one in each slice of equal probability, all at the same random place within their slice (systematic
sampling). A single candidate still follows the proposal and every average keeps its expected value, but for a smooth
integrand in one dimension the error falls much faster than with ``M^-0.5``.
"""

from dataclasses import fields

import torch
from torch import Generator, Tensor

from poserior.heads.energy_objectives import (
    ImportanceSampling,
    KullbackLeibler,
    NoiseContrastive,
    Objective,
    Proposed,
)


class _Even(Proposed):
    """Draws the offsets of `Proposed` evenly, one set for all labels; in one dimension only."""

    def _offsets(self, label: Tensor, generator: Generator | None) -> Tensor:
        each = self.samples // len(self.scales)
        slices = torch.arange(each)[:, None]
        place = (slices + torch.rand(1, len(self.scales), generator=generator)) / each
        drawn: Tensor = torch.special.ndtri(place.clamp(1e-6, 1 - 1e-6)) * torch.tensor(self.scales)
        # in any order: NCE+ takes the first of them alone
        order = torch.randperm(drawn.numel(), generator=generator)
        return drawn.flatten()[order].reshape(-1, *[1] * label.ndim).to(label)


class EvenImportanceSampling(_Even, ImportanceSampling):
    """ML-IS."""


class EvenNoiseContrastive(_Even, NoiseContrastive):
    """NCE and NCE+."""


class EvenKullbackLeibler(_Even, KullbackLeibler):
    """KLD-IS."""


_TWINS: dict[type[Objective], type[Objective]] = {
    ImportanceSampling: EvenImportanceSampling,
    NoiseContrastive: EvenNoiseContrastive,
    KullbackLeibler: EvenKullbackLeibler,
}


def evenly(objective: Objective) -> Objective:
    """The same objective with even candidates; one without a proposal is returned as it is."""
    twin = _TWINS.get(type(objective))
    if twin is None:
        return objective
    return twin(**{field.name: getattr(objective, field.name) for field in fields(objective)})
