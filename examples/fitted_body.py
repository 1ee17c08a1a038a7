"""Fit a body to one picture's keypoints with their covariances, and look at it from the side, as in docs/body.md.

python examples/fitted_body.py [FILE.jpg]
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from poserior.body import FiguresBody, fit_body, pinhole, project, turn
from poserior.datasets import Figures
from poserior.datasets.figures import HeteroscedasticNoise
from poserior.inference import draw_people
from poserior.metrics import mpjpe, pa_mpjpe
from poserior.structures import Prediction

SIDE, HIPS = 480, (11, 12)


def person(points, covariance, skeleton, confidence=1.0):
    box = torch.cat([points.amin(0), points.amax(0)]).float()
    ones = torch.ones(len(points))
    return Prediction(points.float(), covariance.float(), ones, confidence * ones, confidence, box, skeleton)


def main() -> None:
    noise = HeteroscedasticNoise(size=0.25, hidden=3.0)
    people = Figures(length=2, seed=3, picture_size=(SIDE, SIDE), truncation=0.0, label_noise=noise)
    sample, lens = people[1], people.camera(1)
    camera = pinhole(lens.focal, tuple(lens.centre))[None]
    seen, covariance = sample.keypoints.double(), torch.diag_embed(sample.label_law.variance).double()
    fit = fit_body(FiguresBody(), seen[None, None], camera, covariance=covariance[None, None])
    truth = sample.joints_3d.double()
    aligned = mpjpe(fit.joints, truth[None], root=HIPS), pa_mpjpe(fit.joints, truth[None])
    print("MPJPE {:.0f} mm, PA-MPJPE {:.0f} mm".format(*(1000 * float(error) for error in aligned)))

    point = 1e-6 * torch.eye(2).expand(17, 2, 2)
    detected = draw_people(sample.image.numpy(), [person(seen, covariance, sample.skeleton)])
    shown = person(project(fit.joints, camera[None])[0, 0], point, sample.skeleton)
    fitted = draw_people(sample.image.numpy(), [shown])
    # A quarter turn about the vertical through the hips, which are put on each other; the truth is faint.
    quarter = turn(torch.tensor([0.0, torch.pi / 2, 0.0])).double()
    centred = [joints - joints[[*HIPS]].mean(0) for joints in (truth, fit.joints[0])]
    scale = 0.4 * SIDE / centred[0].abs().max()
    aside = [(joints @ quarter.mT)[:, :2] * scale + SIDE / 2 for joints in centred]
    both = [person(joints, point, sample.skeleton, sure) for joints, sure in zip(aside, (0.12, 1.0), strict=True)]
    side = draw_people(np.full((SIDE, SIDE, 3), 70, np.uint8), both)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "fitted_body.jpg"
    sheet = cv2.resize(np.hstack([detected, fitted, side]), (3 * SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(file)


if __name__ == "__main__":
    main()
