"""What calibrated weights are worth downstream: triangulation and body fitting under five weightings, several seeds.

Simulated detections have a known law: each keypoint's spread grows with its OKS width, is three times as large where
something hides it, and varies by chance. The "network" predicts that spread distorted: over-confident, more so where
it is large, and differently per keypoint. Calibration fits one line ``log spread = a_k + b log predicted`` per
keypoint on the residuals of other people. With ``--run`` detections and covariances are a trained model's on rendered
pictures, calibrated on other pictures' labels.

Weightings: `constant`; `raw score` (``1 - predicted spread``, as regression tools report it); `raw covariance`
(predicted); `confidence` (expected OKS under the calibrated spread); `covariance` (calibrated); `oracle` (the law's).
Scores and confidences divide the mean variance, so that constant weights have the best unit one number can have.

Run: ``OMP_NUM_THREADS=1 python benchmarks/downstream.py --people 40 --seeds 3 --views 4``
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch

from poserior import skeletons
from poserior.body import FiguresBody, fit_body, pinhole, project, triangulate
from poserior.cli.results import table
from poserior.datasets.figures.body import pose_body, sample_shape
from poserior.datasets.figures.camera import look_at
from poserior.datasets.figures.figure import keypoints
from poserior.datasets.figures.poses import sample_motion
from poserior.metrics import mpjpe, pa_mpjpe

HIPS = (11, 12)
# Human3.6M's order: pelvis, legs, spine, thorax, neck, head, arms
MOCAP_SIGMAS = [0.107, *[0.107, 0.087, 0.089] * 2, 0.1, 0.079, 0.05, 0.05, *[0.079, 0.072, 0.062] * 2]
FOCAL, SIDE = 600.0, 512


def cameras(rng, count, middle, distance=4.0):
    """Around a point at eye height, a quarter turn between the first and the last but one."""
    found = []
    for azimuth in rng.uniform(-np.pi, np.pi) + np.arange(count) * np.pi / 2 + rng.normal(0, 0.15, count):
        position = middle + distance * np.array([np.sin(azimuth), rng.uniform(0.0, 0.35), np.cos(azimuth)])
        rotation = look_at(position, middle, 0.0)
        turn, shift = torch.tensor(rotation), torch.tensor(-rotation @ position)
        found.append(pinhole(FOCAL, (SIDE / 2, SIDE / 2), turn, shift))
    return torch.stack(found)


def figures(rng, count):
    """(N, 17, 3) keypoints in the world."""
    people = []
    for _ in range(count):
        shape = sample_shape(rng)
        people.append(keypoints(shape, pose_body(shape, sample_motion(rng).at(0.0), rng.uniform(-np.pi, np.pi))))
    return torch.tensor(np.stack(people))


def mocap(path, rng, count):
    with np.load(path) as data:
        joints = data["joints"]
    return torch.tensor(joints[rng.choice(len(joints), count, replace=False)]).double()


class Law:
    """Spreads and how the pretended network gets them wrong; the network's faults are the same for all people."""

    def __init__(self, sigmas, seed):
        rng = np.random.default_rng(seed)
        self.sigmas = torch.tensor(sigmas, dtype=torch.float64)
        self.fault = torch.tensor(rng.normal(-0.9, 0.4, len(sigmas)))

    def draw(self, rng, views):
        """Of pixels (N, V, K, 2): detections, spreads and predicted spreads, (N, V, K) each."""
        size = (views.amax(2) - views.amin(2)).prod(-1).mul(0.53).sqrt()
        width = 2 * self.sigmas * size[..., None]
        hidden = torch.tensor(rng.random(width.shape) < 0.25)
        spread = 0.25 * width * torch.where(hidden, 3.0, 1.0) * torch.tensor(np.exp(rng.normal(0, 0.4, width.shape)))
        predicted = 3 * (spread / 3) ** 0.7 * self.fault.exp()
        detected = views + spread[..., None] * torch.tensor(rng.normal(size=views.shape))
        return detected, spread, predicted, width


def calibrate(residual, predicted):
    """Per keypoint ``log spread = a_k + b log predicted`` by maximum likelihood of Gaussian residuals (N, V, K, 2)."""
    log = predicted.log().flatten(0, 1)
    square = residual.square().sum(-1).flatten(0, 1)
    offset, slope = torch.zeros(log.shape[1]).double().requires_grad_(), torch.ones(()).double().requires_grad_()
    optimiser = torch.optim.LBFGS([offset, slope], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        fitted = offset + slope * log
        loss = (0.5 * square * (-2 * fitted).exp() + 2 * fitted).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    return lambda new: (offset + slope * new.log()).exp().detach()


def weightings(spread, predicted, calibrated, width):
    """Covariances (N, V, K, 2, 2) by name."""
    eye = torch.eye(2).double()
    unit = calibrated.square().mean()
    score = (1 - predicted / predicted.quantile(0.99)).clamp_min(0.02)
    confidence = width.square() / (width.square() + calibrated.square())
    variances = {
        "constant": unit.expand_as(calibrated),
        "raw score": unit * score.mean() / score,
        "raw covariance": predicted.square(),
        "confidence": unit * confidence.mean() / confidence,
        "covariance": calibrated.square(),
    }
    if spread is not None:
        variances["oracle"] = spread.square()
    return {name: value[..., None, None] * eye for name, value in variances.items()}


def simulate(args, seed, law, people):
    """Both tasks on people (N, K, 3) of the world; the first half only calibrates."""
    rng = np.random.default_rng([seed, 1])
    views = torch.stack([cameras(rng, args.views, person.mean(0).numpy()) for person in people])
    detected, spread, predicted, width = law.draw(rng, project(people, views))
    half = len(people) // 2
    held = slice(half, None)
    correct = calibrate((detected - project(people, views))[:half], predicted[:half])
    spread, predicted, width = spread[held], predicted[held], width[held]
    rows = {}
    for name, covariance in weightings(spread, predicted, correct(predicted), width).items():
        found = torch.stack(
            [
                triangulate(detected[half + n], views[half + n], covariance=covariance[n]).points
                for n in range(len(people) - half)
            ]
        )
        rows[name] = {"triangulation": errors(found, people[held], None)}
    if len(law.sigmas) == 17 and args.fit and people.shape[1] == 17 and law.sigmas[0] < 0.1:
        for name, covariance in weightings(spread, predicted, correct(predicted), width).items():
            fit = fit_body(FiguresBody(), detected[held, :1], views[held, :1], covariance=covariance[:, :1])
            rows[name]["fit"] = errors(fit.joints, people[held], HIPS)
    return rows


def with_run(args, seed):
    """A trained model's own answers on rendered pictures, fitted from one view."""
    from heads_on_figures import scene

    from poserior.inference import Predictor
    from poserior.models import load_model

    predictor = Predictor(*load_model(args.run), device="cpu")
    data = scene(2 * args.people, 1000 + seed)
    samples = [data[n] for n in range(len(data))]
    lenses = torch.stack([torch.from_numpy(data.camera(n).intrinsics) for n in range(len(data))])
    views = torch.cat([lenses, torch.zeros(len(data), 3, 1).double()], 2)[:, None]
    answers = [found[0] for found in predictor([s.image for s in samples], [s.box_xyxy[None] for s in samples])]
    detected = torch.stack([answer.keypoints for answer in answers]).double()[:, None]
    covariance = torch.stack([answer.covariance for answer in answers]).double()[:, None]
    predicted = torch.linalg.det(covariance) ** 0.25
    truth = torch.stack([sample.joints_3d for sample in samples]).double()
    labels = torch.stack([sample.keypoints for sample in samples]).double()[:, None]
    labelled = torch.stack([sample.visibility for sample in samples])[:, None, :, None] > 0
    width = 2 * torch.tensor(samples[0].skeleton.oks_sigmas).double()
    width = width * torch.tensor([s.area**0.5 for s in samples]).double()[:, None, None]
    half = args.people
    # what is not labelled (outside the picture) says nothing: it takes the predicted spread itself
    residual = torch.where(labelled, detected - labels, predicted[..., None])
    correct = calibrate(residual[:half], predicted[:half])
    held = slice(half, None)
    chosen = weightings(None, predicted[held], correct(predicted[held]), width[held])
    rows = {}
    for name, value in chosen.items():
        fit = fit_body(FiguresBody(), detected[held], views[held], covariance=value)
        rows[name] = {"fit": errors(fit.joints, truth[held], HIPS)}
    return rows


def errors(found, truth, root):
    """MPJPE and PA-MPJPE in millimetres."""
    return 1000 * mpjpe(found, truth, root=root).item(), 1000 * pa_mpjpe(found, truth).item()


def show(title, runs):
    columns = list(runs[0]["constant"])
    lines = {}
    for name in runs[0]:
        cells = []
        for column in columns:
            for part in range(2):
                values = [run[name][column][part] for run in runs]
                # seeds differ in their people: what a weighting changes is told seed by seed, against constant
                ratios = [run[name][column][part] / run["constant"][column][part] - 1 for run in runs]
                spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
                shift = f" ± {100 * statistics.stdev(ratios):.0f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.1f}{spread} ({100 * statistics.mean(ratios):+.0f}{shift} %)")
        lines[name] = cells
    print(f"\n{title}\n")
    print(table([f"{column} {metric}" for column in columns for metric in ("MPJPE", "PA-MPJPE")], lines), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=40, help="measured per seed; as many others calibrate")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--mocap", type=Path, help="an npz with joints (frames, 17, 3) in Human3.6M's order, metres")
    parser.add_argument("--run", type=Path, help="a trained run's folder")
    parser.add_argument("--no-fit", dest="fit", action="store_false", help="triangulation only")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sigmas = skeletons.load("coco17").oks_sigmas
    count = 2 * args.people
    if args.run:
        show(f"Trained run on Figures, {args.people} people", [with_run(args, seed) for seed in range(args.seeds)])
        return
    if args.mocap:
        law = Law(MOCAP_SIGMAS, 0)
        runs = [
            simulate(args, seed, law, mocap(args.mocap, np.random.default_rng(seed), count))
            for seed in range(args.seeds)
        ]
        show(f"Motion capture, {args.people} people, {args.views} views", runs)
        return
    law = Law(sigmas, 0)
    runs = [simulate(args, seed, law, figures(np.random.default_rng(seed), count)) for seed in range(args.seeds)]
    show(f"Figures, {args.people} people, {args.views} views (fit: one view)", runs)


if __name__ == "__main__":
    main()
