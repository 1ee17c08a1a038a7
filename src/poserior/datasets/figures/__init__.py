"""Synthetic articulated people, rendered on the fly, with label noise of a known law."""

from poserior.datasets.figures.coco import write_coco
from poserior.datasets.figures.dataset import Figures
from poserior.datasets.figures.noise import (
    GaussianNoise,
    HeteroscedasticNoise,
    LabelNoise,
    LaplaceNoise,
    StudentTNoise,
    SwapNoise,
    Truth,
)

__all__ = [
    "Figures",
    "GaussianNoise",
    "HeteroscedasticNoise",
    "LabelNoise",
    "LaplaceNoise",
    "StudentTNoise",
    "SwapNoise",
    "Truth",
    "write_coco",
]
