"""Fit a body to one picture's keypoints with their covariances, and look at it from the side.

Run: ``python examples/fitted_body.py fitted_body.jpg``
"""

import sys

import cv2
import numpy as np
import torch

from poserior.body import FiguresBody, fit_body, pinhole, project, turn
from poserior.datasets import Figures
from poserior.datasets.figures import HeteroscedasticNoise
from poserior.inference.overlay import draw_people
from poserior.metrics import mpjpe, pa_mpjpe
from poserior.structures import Prediction

SIDE = 480


def main(output: str, index: int = 1) -> None:
    people = Figures(
        length=40,
        seed=3,
        picture_size=(SIDE, SIDE),
        truncation=0.0,
        label_noise=HeteroscedasticNoise(size=0.25, hidden=3.0),
    )
    sample, lens = people[index], people.camera(index)
    camera = pinhole(lens.focal, tuple(lens.centre))
    covariance = torch.diag_embed(sample.label_law.variance)
    body = FiguresBody()
    fit = fit_body(
        body, sample.keypoints[None, None].double(), camera[None], covariance=covariance[None, None].double()
    )
    truth = sample.joints_3d.double()
    print(f"MPJPE {1000 * mpjpe(fit.joints, truth[None], root=(11, 12)):.0f} mm after the hips are aligned,")
    print(f"PA-MPJPE {1000 * pa_mpjpe(fit.joints, truth[None]):.0f} mm")

    def person(points: torch.Tensor, spread: torch.Tensor, confidence: float) -> Prediction:
        low, high = points.amin(0), points.amax(0)
        full = torch.full((len(points),), confidence)
        return Prediction(
            keypoints=points.float(),
            covariance=spread.float(),
            visibility=torch.ones(len(points)),
            confidence=full,
            score=confidence,
            box_xyxy=torch.cat([low, high]).float(),
            skeleton=sample.skeleton,
        )

    point = 1e-6 * torch.eye(2).expand(17, 2, 2)
    picture = sample.image.numpy()
    detected = draw_people(picture, [person(sample.keypoints, covariance, 1.0)])
    fitted = draw_people(picture, [person(project(fit.joints, camera[None])[0, 0], point, 1.0)])
    # A quarter turn about the vertical through the hips, which are put on each other; the truth is faint.
    aside = []
    for joints in (truth, fit.joints[0]):
        turned = (joints - joints[[11, 12]].mean(0)) @ turn(torch.tensor([0.0, torch.pi / 2, 0.0])).double().mT
        scale = 0.4 * SIDE / (truth - truth[[11, 12]].mean(0)).abs().max()
        aside.append(turned[:, :2] * scale + SIDE / 2)
    plain = np.full((SIDE, SIDE, 3), 70, np.uint8)
    side = draw_people(plain, [person(aside[0], point, 0.12), person(aside[1], point, 1.0)])
    cv2.imwrite(output, cv2.cvtColor(np.hstack([detected, fitted, side]), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(value) for value in sys.argv[2:]))
