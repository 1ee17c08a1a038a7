"""Scale calibration: how many times wider each keypoint's density has to be for its regions to cover what they say."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches
from poserior.calibration import QuantileCalibration
from poserior.errors import InputError
from poserior.metrics.pit import kolmogorov
from poserior.models import ModelSpec, Regressor
from poserior.post_hoc.base import calibrated
from poserior.post_hoc.level_map import LevelMap, level_map, mapped, padded
from poserior.structures import Sample

FACTORS = torch.logspace(-3, 3, 49, base=2)
"""The factors that are tried, 1/8 to 8; between them everything is interpolated."""

LABELS = 100
"""A keypoint with fewer labels shares its factor with all keypoints; with fewer in all nothing is fitted."""

LABELS_PER_KNOT = 25
LABELS_FOR_A_MAP = 400
"""The same for the map of levels."""


class Profile(NamedTuple):
    """Every label under its density stretched by each of F factors about its mode.

    Attributes:
        factors: ``(F,)``, rising.
        levels: ``(F, N)`` credible levels.
        log_prob: ``(F, N)`` log densities.
        fall: ``(F, N)``, how far these lie below the log densities at the modes (negative).
        keypoint: ``(N,)``, 0..K-1.
    """

    factors: Float[Tensor, "F"]
    levels: Float[Tensor, "F N"]
    log_prob: Float[Tensor, "F N"]
    fall: Float[Tensor, "F N"]
    keypoint: Int[Tensor, "N"]

    def of(self, keypoint: int) -> "Profile":
        """One keypoint's labels."""
        own = self.keypoint == keypoint
        columns = (self.levels[:, own], self.log_prob[:, own], self.fall[:, own], self.keypoint[own])
        return Profile(self.factors, *columns)

    def at(self, factor: float) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
        """Levels and log densities at any factor, linear in its logarithm between those tried."""
        place = math.log(factor / float(self.factors[0])) / math.log(float(self.factors[1] / self.factors[0]))
        low = min(max(math.floor(place + 1e-9), 0), len(self.factors) - 2)
        share = min(max(place - low, 0.0), 1.0)
        return (
            torch.lerp(self.levels[low], self.levels[low + 1], share),
            torch.lerp(self.log_prob[low], self.log_prob[low + 1], share),
        )


def scale(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    *,
    source: str,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    full: bool = True,
) -> tuple[Regressor, ModelSpec]:
    """A factor for each keypoint's spread, and a map of its levels, from held-out people; see `Fit`.

    The factor alone (`full` False) is the one whose labels' credible levels are nearest to uniform (Cramér and von
    Mises' distance, over all levels), not the most likely one: likelihood follows the few labels that are far off,
    coverage counts them as one each. If the errors' law has the predicted form, both are the same, and the regions
    cover what they say; if not, no factor can make them. So factor and map (`level_map`) are otherwise chosen together,
    by their likelihood (`best_map`): heavy tails are met by a wider density of which the map takes most back.

    A keypoint with fewer than 100 labels takes the factor of all keypoints together (a map: 400).

    The densities themselves are looked at: an earlier recalibration is replaced, and regions that were fitted on its
    levels are taken away.

    Args:
        model: see `Fit`.
        spec: see `Fit`.
        people: see `Fit`.
        source: see `Fit`.
        flip_test: see `Fit`.
        batch_size: see `Fit`.
        workers: see `Fit`.
        progress: see `Fit`.
        full: also map the levels. Without, densities keep their form (a Gaussian stays one) and cost no more.

    Raises:
        InputError: fewer labelled keypoints than 100 (with `full` 400).
    """
    raw = Regressor(model.backbone, model.head, model.calibrator)
    profile = profiled(raw, spec, people, flip_test, batch_size, workers, progress)
    needed, total = (LABELS_FOR_A_MAP if full else LABELS), len(profile.keypoint)
    if total < needed:
        raise InputError(
            f"expected at least {needed} labelled keypoints to calibrate the scale on, found {total};"
            " give more held-out people"
        )
    num_keypoints = spec.skeleton.num_keypoints
    own = [profile.of(k) for k in range(num_keypoints)]
    shared = [len(part.keypoint) < needed for part in own]
    used = [profile if alone else part for alone, part in zip(shared, own, strict=True)]
    if full:
        part, state, after = _quantile_part(used, own)
    else:
        part, state, after = _scale_part(used, own)
    before = [part.at(1.0) for part in own]
    facts = {
        "source": source,
        "people": len(people),  # type: ignore[arg-type]  # torch's Dataset does not declare its length
        "flip_test": flip_test,
        "labels": dict(zip(spec.skeleton.keypoints, [len(part.keypoint) for part in own], strict=True)),
        "shared": [name for name, alone in zip(spec.skeleton.keypoints, shared, strict=True) if alone],
        "factors": [round(float(end), 4) for end in (state["factors"].min(), state["factors"].max())],
        "nll": {"before": _nll(before), "after": _nll(after)},
        "coverage": {"before": _coverage(before), "after": _coverage(after)},
    }
    # What was fitted on the old levels promises nothing about the new ones.
    kept = {name: value for name, value in spec.fitted_on.items() if name != "regions"}
    return calibrated(raw, replace(spec, regions=None, fitted_on=kept), "recalibration", part, state, facts)


@torch.no_grad()
def profiled(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
) -> Profile:
    """Levels and log densities of all labels under the stretched densities; see `Profile`.

    Stretched by f about the mode, a density says of y what it said of ``mode + (y - mode) / f``, less ``D log f``.
    """
    model.eval()
    device = next(model.parameters()).device
    mirror = spec.skeleton if flip_test else None
    parts: list[tuple[Tensor, ...]] = []
    for batch in batches(people, spec, "calibrate scale", batch_size, workers, progress):
        if not bool(batch.target.labelled.any()):
            continue
        keep = batch.target.labelled.to(device)
        distribution, _ = model.predict(batch.images.to(device).float() / 255, mirror)
        mode = distribution.mode
        factors = FACTORS.to(mode)[:, None, None]
        labels = batch.target.keypoints.to(mode)
        law, mode, labels = distribution[keep], mode[keep], labels[keep]
        points = mode + (labels - mode) / factors
        log_prob = law.log_prob(points)
        columns = (
            law.credible_level(points),
            log_prob - mode.shape[-1] * factors[..., 0].log(),
            log_prob - law.log_prob(mode),
            keep.nonzero()[:, 1].expand(len(FACTORS), -1),
        )
        parts.append(tuple(column.float().cpu() for column in columns))
    if not parts:
        none = torch.zeros(len(FACTORS), 0)
        return Profile(FACTORS, none, none, none, torch.zeros(0, dtype=torch.int64))
    levels, log_prob, fall, keypoint = (torch.cat(column, 1) for column in zip(*parts, strict=True))
    return Profile(FACTORS, levels, log_prob, fall, keypoint[0].long())


def best_factor(profile: Profile) -> float:
    """The factor with the smallest Cramér-von Mises distance of the levels from uniform ones."""
    count = profile.levels.shape[1]
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) / count

    def distance(factor: float) -> float:
        levels, _ = profile.at(factor)
        return float((levels.double().sort().values - middles).square().mean())

    tried = [float(factor) for factor in profile.factors]
    best = min(range(len(tried)), key=lambda i: distance(tried[i]))
    low, high = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
    # Finer between the two neighbours: half a per cent.
    between = [low * math.pow(high / low, step / 32) for step in range(33)]
    return min(between, key=distance)


def best_map(profile: Profile) -> tuple[float, LevelMap]:
    """The most likely factor and map, of those after which the labels' levels are as good as uniform.

    "As good": Kolmogorov's distance is at most half a standard error, ``0.5 / sqrt(N)``, or a quarter above the least
    that any factor and map reach. Where labels lie beyond all nodes of a density that is too narrow, their levels are
    one tie, which no map resolves: such factors are passed over. If no map that keeps the densities' order is among
    them, the labels contradict the order, and one that does not keep it is taken.
    """
    free, ordered = _tried(profile, keep_order=False), _tried(profile, keep_order=True)
    least = min(distance for distance, *_ in free)
    limit = max(0.5 / math.sqrt(profile.levels.shape[1]), 1.25 * least)
    good = [one for one in ordered if one[0] <= limit] or [one for one in free if one[0] <= limit]
    _, _, factor, fitted = max(good, key=lambda one: one[1])
    return factor, fitted


def _tried(profile: Profile, keep_order: bool) -> list[tuple[float, float, float, LevelMap]]:
    """For each factor: distance from uniform after the best map, likelihood, the factor, the map."""
    tried = []
    for factor, levels, log_prob, fall in zip(*profile[:4], strict=True):
        fitted = level_map(levels, fall, LABELS_PER_KNOT, _most_knots(), keep_order)
        distance = float(kolmogorov(mapped(fitted, levels)[0].sort().values))
        tried.append((distance, float(log_prob.double().mean()) + fitted.gain, float(factor), fitted))
    return tried


Seen = list[tuple[Tensor, Tensor]]
Found = tuple[dict[str, Any], Mapping[str, Tensor], Seen]


def _scale_part(used: list[Profile], own: list[Profile]) -> Found:
    factors = _each(used, best_factor)
    after = [part.at(factor) for part, factor in zip(own, factors, strict=True)]
    return {"class_path": "ScaleCalibration", "init_args": {}}, {"factors": torch.tensor(factors)}, after


def _quantile_part(used: list[Profile], own: list[Profile]) -> Found:
    found = _each(used, best_map)
    after = []
    for part, (factor, fitted) in zip(own, found, strict=True):
        levels, log_prob = part.at(factor)
        corrected, slope = mapped(fitted, levels)
        after.append((corrected, log_prob + slope.log()))
    most = _most_knots()
    pairs = [padded(fitted, most) for _, fitted in found]
    state = {
        "factors": torch.tensor([factor for factor, _ in found]),
        "levels": torch.stack([levels for levels, _ in pairs]).float(),
        "mass": torch.stack([mass for _, mass in pairs]).float(),
    }
    return {"class_path": "QuantileCalibration", "init_args": {"knots": most}}, state, after


def _most_knots() -> int:
    return QuantileCalibration(1).levels.shape[1]


def _each(used: list[Profile], fit: Any) -> list[Any]:
    """One answer per keypoint; those that share their labels are answered once."""
    answers = {id(part): fit(part) for part in {id(part): part for part in used}.values()}
    return [answers[id(part)] for part in used]


def _nll(seen: Seen) -> float:
    return round(-float(torch.cat([log_prob for _, log_prob in seen]).double().mean()), 4)


def _coverage(seen: Seen) -> dict[str, float]:
    levels = torch.cat([level for level, _ in seen])
    return {f"{share:.0%}": round(float((levels <= share).double().mean()), 4) for share in (0.5, 0.8, 0.9, 0.95)}
