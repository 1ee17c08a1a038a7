"""Generated evaluations: one method whose density is true, one of constant scale, and pictures to show them on."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from poserior import skeletons
from poserior.structures import Evaluation

WIDTH, HEIGHT = 200, 160


@dataclass(frozen=True)
class Generated:
    evaluations: list[Evaluation]
    metrics: dict
    pictures: object


def evaluation(name, skeleton, people, spread, seed=3):
    """Gaussian errors of known spread (N, K) in pixels; the credible level of a Gaussian is 1 - exp(-r^2 / 2)."""
    rng = np.random.default_rng(7)
    k = skeleton.num_keypoints
    target = rng.uniform([60, 30], [140, 130], (people, k, 2))
    visibility = rng.choice([0, 1, 2], (people, k), p=[0.1, 0.2, 0.7])
    errors = np.random.default_rng(seed).normal(size=(people, k, 2))
    radius = np.sqrt((errors**2).sum(-1))
    area = np.full(people, 4000.0)
    widths = 2 * np.array(skeleton.oks_sigmas) * np.sqrt(area)[:, None]
    confidence = 1 / (1 + spread**2 / widths**2)  # the expectation of exp(-d^2 / 2 w^2) under that Gaussian

    def tensor(values):
        return torch.tensor(np.asarray(values), dtype=torch.float32)

    return Evaluation(
        name=name,
        skeleton=skeleton,
        image_id=tuple(range(people)),
        annotation_id=tuple(range(100, 100 + people)),
        keypoints=tensor(target + errors * spread[..., None]),
        confidence=tensor(confidence),
        score=tensor(confidence.mean(1)),
        target=tensor(target * (visibility > 0)[..., None]),
        target_visibility=torch.tensor(visibility),
        area=tensor(area),
        box_xyxy=tensor(np.tile([50.0, 20.0, 150.0, 140.0], (people, 1))),
        covariance=tensor(np.eye(2) * (spread**2)[..., None, None]),
        visibility=tensor(np.where(visibility > 0, 0.9, 0.1)),
        log_prob=tensor(-np.log(2 * np.pi * spread**2) - radius**2 / 2),
        credible_level=tensor(1 - np.exp(-(radius**2) / 2)),
        ellipse_radius=tensor(np.full((people, k), np.sqrt(-2 * np.log(0.1)))),
        mean=tensor(target + errors * spread[..., None]),
        error_draws=tensor(rng.normal(size=4000)),
        errors=tensor(errors.ravel()),
        label_draws=tensor(rng.normal(size=3000)),
    )


def metrics(shift=0.0):
    return {
        "AP": 0.6214 - shift,
        "AP50": 0.8812 - shift,
        "AP75": 0.6633 - shift,
        "APM": 0.5522 if shift else None,
        "APL": 0.7001 - shift,
        "AR": 0.6899 - shift,
        "PCK@0.2": 0.93412 - shift,
        "EPE": 5.4321 + shift,
        "NLL": -5.8123 + shift,
        "coverage@50": 0.5077 + shift,
        "coverage@80": 0.8066 + shift,
        "coverage@90": 0.9055 + shift,
        "coverage@95": 0.9488 - shift,
        "pearson": 0.6111 - shift,
        "spearman": 0.5822 - shift,
        "AUSE": 0.04123 + shift,
        "ECE": 0.01876 + shift,
        "per_keypoint": {"nose": {"OKS": 0.9}},
    }


def pictures(n):
    """Each picture its own flat colour."""
    return np.full((HEIGHT, WIDTH, 3), [40 + n % 100, 120, 200 - n % 100], np.uint8)


@pytest.fixture(scope="session")
def generated():
    skeleton = skeletons.load("coco17")
    people = 47
    spread = np.random.default_rng(5).lognormal(0.7, 0.6, (people, 17))
    true = evaluation("RLE", skeleton, people, spread)
    constant = evaluation("L1", skeleton, people, np.full((people, 17), 2.5), seed=4)
    return Generated([true, constant], {"RLE": metrics(), "L1": metrics(0.0113)}, pictures)
